//! What `static/openapi.json` says of an answer.

use serde_json::Value;

/// Follows a reference inside the document.
pub(crate) fn resolve<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let at = reference.strip_prefix('#').expect("a local reference");
            resolve(api, api.pointer(at).unwrap_or_else(|| panic!("{reference} leads nowhere")))
        }
        None => value,
    }
}

/// The template of the description that a path fits, the most literal one.
#[allow(dead_code, reason = "one of the two suites asks for it")]
pub(crate) fn template_of<'a>(api: &'a Value, path: &str) -> Option<&'a str> {
    let templates = api["paths"].as_object().expect("paths").keys().map(String::as_str);
    let fits = |template: &&str| {
        let parts = || template.split('/').zip(path.split('/'));
        template.split('/').count() == path.split('/').count()
            && parts().all(|(wanted, part)| {
                wanted == part || (wanted.starts_with('{') && !part.is_empty())
            })
    };
    templates.filter(fits).min_by_key(|template| template.matches('{').count())
}

/// Is an answer of this route one that is described: its status, its type, and the members of
/// its body? What a method that is not described gets is described as a problem.
pub(crate) fn check_answer(
    api: &Value,
    template: &str,
    method: &str,
    status: u16,
    media_type: &str,
    body: &[u8],
) -> Result<(), String> {
    let problem = serde_json::json!({"content": {"application/problem+json": {
        "schema": {"$ref": "#/components/schemas/Problem"},
    }}});
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let operation = &api["paths"][template][method];
    let responses = &operation["responses"];
    let response = match (operation.is_null(), responses.get(status.to_string())) {
        (true, _) => &problem,
        (false, Some(response)) => resolve(api, response),
        (false, None) => resolve(api, &responses["default"]),
    };
    let media_type = media_type.split(';').next().unwrap_or_default();
    if status == 304 {
        return if body.is_empty() { Ok(()) } else { Err("304 has a body".to_owned()) };
    }
    let Some(content) = response["content"].get(media_type) else {
        return Err(format!("{status} {media_type:?} is not described"));
    };
    if !media_type.ends_with("json") || media_type.ends_with("x-ndjson") {
        return Ok(());
    }
    let value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    check(api, &content["schema"], &value, "")
}

/// Does the value fit the schema? Of JSON Schema this knows what the description uses. An
/// object must have no member that is not described.
fn check(api: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(api, schema);
    let fail = |what: &str| Err(format!("{at}: {value} {what} {schema}"));
    if let Some(options) = schema["oneOf"].as_array() {
        let fits = options.iter().filter(|o| check(api, o, value, at).is_ok()).count();
        return if fits == 1 { Ok(()) } else { fail("does not fit exactly one of") };
    }
    if schema.get("const").is_some_and(|wanted| wanted != value) {
        return fail("is not");
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        return fail("is none of");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_allowed = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(|k| fits(k, kind)),
        only => fits(only, kind),
    };
    if !is_allowed {
        return fail("has another type than");
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        for (i, item) in items.iter().enumerate() {
            check(api, schema, item, &format!("{at}/{i}"))?;
        }
    }
    if let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        for (name, member) in members {
            let Some(schema) = known.get(name) else { return fail(&format!("has {name}, unlike")) };
            check(api, schema, member, &format!("{at}/{name}"))?;
        }
        for name in schema["required"].as_array().unwrap_or(&Vec::new()) {
            if !members.contains_key(name.as_str().expect("a name")) {
                return fail(&format!("lacks {name} of"));
            }
        }
    }
    Ok(())
}

/// Is a value of this kind of the wanted type? An integer is a number too.
fn fits(wanted: &Value, kind: &str) -> bool {
    wanted == kind || (wanted == "number" && kind == "integer")
}
