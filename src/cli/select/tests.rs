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
    let rows = [
        row("f1", "outer", &outer),
        row("f2", "inner", &outer.join("inner")),
        row("f3", "odd", &odd),
    ];
    let known = known("[]", &rows);

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

/// Something that is read for the first time is never taken for the one that is known.
#[test]
fn a_feature_that_is_not_scanned_yet_is_told_and_no_other_one_is_taken_for_it() {
    let tmp = tempfile::tempdir().unwrap();
    let base = std::fs::canonicalize(tmp.path()).unwrap();
    let endless = base.join("kitty-specs/endless");
    std::fs::create_dir_all(endless.join("tasks")).unwrap();
    let mut known = known("[]", &[row("f1", "plan-a", &base), row("f2", "same", &base.join("x"))]);
    let pending = |id: &str, slug: &str, dir: &Path| PendingRow {
        id: id.into(),
        slug: slug.into(),
        root_id: "r".into(),
        dir: Some(LosslessPath(dir.to_path_buf())),
    };
    known.pending = vec![pending("p1", "endless", &endless)];
    let is_starting = |error: CliError| {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, Some(STARTING)));
        assert!(error.to_string().contains("first scan of endless has not ended"), "{error}");
        assert!(error.hints()[0].contains("wait; `dossierd status`"), "{error:?}");
    };
    for typed in ["endless", "p1"] {
        is_starting(one_of(Some(Path::new(typed)), &known).unwrap_err());
    }
    // By its path, which lies in another feature too, it is the innermost one that counts.
    for dir in [&endless, &endless.join("tasks")] {
        is_starting(named(dir, &known).unwrap_err());
        is_starting(containing(dir, &known).unwrap_err());
    }
    assert_eq!(one_of(Some(Path::new("plan-a")), &known).unwrap(), "f1");
    assert_eq!(named(&base.join("kitty-specs"), &known).unwrap(), "f1");

    // A slug that it has too does not mean the other one; the id of the other one does.
    known.pending.push(pending("p2", "same", &base.join("y")));
    let error = one_of(Some(Path::new("same")), &known).unwrap_err();
    assert_eq!(error.code(), Some(STARTING), "{error:?}");
    assert_eq!(one_of(Some(Path::new("f2")), &known).unwrap(), "f2");

    // Without a name: this test runs in none of these directories.
    known.features.truncate(1);
    let error = one_of(None, &known).unwrap_err();
    assert!(error.to_string().contains("endless and 1 more feature have not"), "{error}");
    known.pending.clear();
    assert_eq!(one_of(None, &known).unwrap(), "f1");
    known.features.clear();
    known.pending = vec![pending("p1", "endless", &endless)];
    is_starting(one_of(None, &known).unwrap_err());
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
