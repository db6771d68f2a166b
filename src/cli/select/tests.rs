use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

fn row(id: &str, slug: &str, dir: &Path) -> FeatureRow {
    FeatureRow {
        id: id.into(),
        slug: slug.into(),
        root_id: "r".into(),
        dir: Some(LosslessPath(dir.to_path_buf())),
        ..FeatureRow::default()
    }
}

#[test]
fn slugs_and_ids_come_before_paths_and_the_innermost_feature_wins() {
    let tmp = tempfile::tempdir().unwrap();
    let base = std::fs::canonicalize(tmp.path()).unwrap();
    let outer = base.join("outer");
    let odd = base.join(OsStr::from_bytes(b"odd\xff"));
    for dir in [outer.join("inner/tasks"), odd.clone()] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::os::unix::fs::symlink(&outer, base.join("link")).unwrap();
    let known = [
        row("f1", "outer", &outer),
        row("f2", "inner", &outer.join("inner")),
        row("f3", "odd", &odd),
    ];

    let named = |typed: &Path| named(typed, &known);
    assert_eq!(named(Path::new("outer")).unwrap(), "outer");
    assert_eq!(named(Path::new("f2")).unwrap(), "f2");
    assert_eq!(named(&outer).unwrap(), "f1");
    assert_eq!(named(&base.join("link")).unwrap(), "f1");
    assert_eq!(named(&outer.join("inner/tasks")).unwrap(), "f2");
    assert_eq!(named(&odd).unwrap(), "f3");
    assert_eq!(named(Path::new("unknown-slug")).unwrap(), "unknown-slug");

    let error = named(&base).unwrap_err();
    assert!(error.hints()[0].contains("dossierd add"), "{error:?}");
    assert!(named(&base.join("none")).is_err());
    assert!(named(Path::new(OsStr::from_bytes(b"\xff"))).is_err());
}

fn known(roots: &str, features: &[FeatureRow]) -> Features {
    Features {
        roots: serde_json::from_str(roots).unwrap(),
        features: features.to_vec(),
        ..Features::default()
    }
}

#[test]
fn roots_are_found_by_id_path_and_name() {
    let tmp = tempfile::tempdir().unwrap();
    let shop = std::fs::canonicalize(tmp.path()).unwrap().join("shop");
    std::fs::create_dir(&shop).unwrap();
    let roots = format!(
        r#"[{{"id":"r","kind":"project","path":{}}},{{"id":"g","kind":"project","path":"/gone/away"}},
            {{"id":"x1","kind":"project","path":"/a/same"}},{{"id":"x2","kind":"project","path":"/b/same"}}]"#,
        serde_json::to_string(&shop).unwrap()
    );
    let known = known(&roots, &[row("f1", "012-a", &shop.join("kitty-specs/012-a"))]);
    let find = |typed: &str| root_id(Path::new(typed), &known);
    assert_eq!(find("r").unwrap(), "r");
    assert_eq!(find("shop").unwrap(), "r");
    assert_eq!(find(shop.to_str().unwrap()).unwrap(), "r");
    assert_eq!(find("/gone/away").unwrap(), "g");
    assert_eq!(find("/gone/away/").unwrap(), "g");
    assert_eq!(find("same").unwrap_err().hints().len(), 3);
    let error = find("012-a").unwrap_err();
    assert!(error.to_string().contains("came with its project"), "{error}");
    assert!(find("nothing").unwrap_err().to_string().contains("nothing is registered as"));
}

#[test]
fn a_feature_that_is_a_root_is_found_by_its_id() {
    let mut feature = row("f1", "012-a", Path::new("/w/012-a"));
    feature.root_id = "r9".into();
    let known = known(r#"[{"id":"r9","kind":"feature","path":"/w/012-a"}]"#, &[feature]);
    for typed in ["f1", "012-a", "r9", "/w/012-a"] {
        assert_eq!(root_id(Path::new(typed), &known).unwrap(), "r9", "{typed}");
    }
}
