//! Markdown as a tree of typed nodes: what a page builds elements from, with nothing in it
//! that could run or load.
//!
//! Raw HTML is a text like any other. A link keeps its address only if that is http, https
//! or mailto, or names an artifact of the same feature; an image keeps its description.
//! Depth and number of nodes are bounded: what is too deep is put into the deepest node
//! that is allowed, and what is too much is left out, which the document says.

use percent_encoding::percent_decode_str;
use pulldown_cmark::{Alignment, CodeBlockKind, Event, Options, Parser, Tag};
use serde::Serialize;

use crate::dossier::RelPath;

/// Of longer texts the beginning is shown, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// Nodes in a document.
const MAX_NODES: usize = 50_000;
/// Nodes in one another.
const MAX_DEPTH: usize = 48;

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "document")]
pub(super) struct Document {
    /// Is it only the beginning?
    truncated: bool,
    children: Vec<Node>,
}

/// A node. Texts are as they were written; none of them is markup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Node {
    Paragraph { children: Vec<Node> },
    Heading { level: u8, children: Vec<Node> },
    Quote { children: Vec<Node> },
    List { ordered: bool, start: Option<u64>, children: Vec<Node> },
    Item { checked: Option<bool>, children: Vec<Node> },
    CodeBlock { language: Option<String>, text: String },
    Table { alignments: Vec<Option<&'static str>>, head: Vec<Node>, rows: Vec<Vec<Node>> },
    Row { children: Vec<Node> },
    Cell { children: Vec<Node> },
    Rule {},
    Html { text: String },
    FrontMatter { text: String },
    Footnote { label: String, children: Vec<Node> },
    Text { text: String },
    Emphasis { children: Vec<Node> },
    Strong { children: Vec<Node> },
    Strikethrough { children: Vec<Node> },
    Code { text: String },
    Link { href: Option<String>, artifact_key: Option<String>, title: String, children: Vec<Node> },
    Image { title: String, children: Vec<Node> },
    FootnoteReference { label: String },
    LineBreak {},
    HtmlInline { text: String },
}

/// Reads a text. `artifact_at` gives the key of the artifact at a path of the feature, for
/// links from the artifact at `from`.
pub(super) fn parse(
    text: &str,
    from: &RelPath,
    artifact_at: &dyn Fn(&RelPath) -> Option<String>,
) -> Document {
    let beginning = &text[..text.floor_char_boundary(MAX_BYTES)];
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut builder =
        Builder { from, artifact_at, open: vec![Open::document()], too_deep: 0, nodes: 0 };
    let mut truncated = beginning.len() < text.len();
    for event in Parser::new_ext(beginning, options) {
        if builder.nodes >= MAX_NODES {
            truncated = true;
            break;
        }
        builder.take(event);
    }
    Document { truncated, children: builder.finish() }
}

/// A node that is not closed yet.
struct Open {
    /// Its shape, with no children; `None` for the document.
    shape: Option<Node>,
    children: Vec<Node>,
}

impl Open {
    fn document() -> Self {
        Self { shape: None, children: Vec::new() }
    }
}

struct Builder<'a> {
    from: &'a RelPath,
    artifact_at: &'a dyn Fn(&RelPath) -> Option<String>,
    open: Vec<Open>,
    /// Open tags that are too deep to be nodes.
    too_deep: usize,
    nodes: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => {
                self.nodes += 1;
                if self.open.len() < MAX_DEPTH {
                    let shape = Some(self.shape(tag));
                    self.open.push(Open { shape, children: Vec::new() });
                } else {
                    self.too_deep += 1;
                }
            }
            Event::End(_) if self.too_deep > 0 => self.too_deep -= 1,
            Event::End(_) if self.open.len() > 1 => self.close(),
            Event::End(_) => {}
            Event::Text(text) => self.text(&text),
            Event::Code(text) => self.put(Node::Code { text: text.into_string() }),
            Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.put(Node::Code { text: text.into_string() });
            }
            Event::Html(text) => self.text(&text),
            Event::InlineHtml(text) => self.put(Node::HtmlInline { text: text.into_string() }),
            Event::FootnoteReference(label) => {
                self.put(Node::FootnoteReference { label: label.into_string() });
            }
            Event::SoftBreak => self.text("\n"),
            Event::HardBreak => self.put(Node::LineBreak {}),
            Event::Rule => self.put(Node::Rule {}),
            Event::TaskListMarker(is_done) => {
                let item = self.open.iter_mut().rev().find_map(|open| match &mut open.shape {
                    Some(Node::Item { checked, .. }) => Some(checked),
                    _ => None,
                });
                if let Some(checked) = item {
                    *checked = Some(is_done);
                }
            }
        }
    }

    fn put(&mut self, node: Node) {
        self.nodes += 1;
        self.siblings().push(node);
    }

    fn siblings(&mut self) -> &mut Vec<Node> {
        &mut self.open.last_mut().expect("the document is open to the end").children
    }

    /// Texts that follow each other are one.
    fn text(&mut self, more: &str) {
        if let Some(Node::Text { text }) = self.siblings().last_mut() {
            text.push_str(more);
        } else {
            self.put(Node::Text { text: more.to_owned() });
        }
    }

    fn close(&mut self) {
        let Some(Open { shape: Some(mut node), children: inner }) = self.open.pop() else { return };
        match &mut node {
            Node::CodeBlock { text, .. } | Node::Html { text } | Node::FrontMatter { text } => {
                text.extend(inner.iter().map(plain));
            }
            Node::Table { head, rows, .. } => {
                let mut lines = inner.into_iter().map(|row| match row {
                    Node::Row { children } => children,
                    other => vec![other],
                });
                *head = lines.next().unwrap_or_default();
                *rows = lines.collect();
            }
            Node::Paragraph { children }
            | Node::Heading { children, .. }
            | Node::Quote { children }
            | Node::List { children, .. }
            | Node::Item { children, .. }
            | Node::Row { children }
            | Node::Cell { children }
            | Node::Footnote { children, .. }
            | Node::Emphasis { children }
            | Node::Strong { children }
            | Node::Strikethrough { children }
            | Node::Link { children, .. }
            | Node::Image { children, .. } => *children = inner,
            Node::Rule {}
            | Node::Text { .. }
            | Node::Code { .. }
            | Node::FootnoteReference { .. }
            | Node::LineBreak {}
            | Node::HtmlInline { .. } => {}
        }
        self.siblings().push(node);
    }

    fn finish(mut self) -> Vec<Node> {
        while self.open.len() > 1 {
            self.close();
        }
        self.open.pop().map(|document| document.children).unwrap_or_default()
    }

    /// The node of a tag, still empty.
    fn shape(&self, tag: Tag<'_>) -> Node {
        let children = Vec::new();
        match tag {
            Tag::Paragraph
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition => Node::Paragraph { children },
            Tag::Heading { level, .. } => Node::Heading { level: level as u8, children },
            Tag::BlockQuote(_) => Node::Quote { children },
            Tag::CodeBlock(kind) => {
                Node::CodeBlock { language: language(kind), text: String::new() }
            }
            Tag::HtmlBlock => Node::Html { text: String::new() },
            Tag::List(start) => Node::List { ordered: start.is_some(), start, children },
            Tag::Item => Node::Item { checked: None, children },
            Tag::FootnoteDefinition(label) => {
                Node::Footnote { label: label.into_string(), children }
            }
            Tag::Table(alignments) => {
                let alignments = alignments.into_iter().map(side).collect();
                Node::Table { alignments, head: children, rows: Vec::new() }
            }
            Tag::TableHead | Tag::TableRow => Node::Row { children },
            Tag::TableCell => Node::Cell { children },
            Tag::Emphasis | Tag::Superscript | Tag::Subscript => Node::Emphasis { children },
            Tag::Strong => Node::Strong { children },
            Tag::Strikethrough => Node::Strikethrough { children },
            Tag::Link { dest_url, title, .. } => {
                let href = outside(&dest_url);
                let artifact_key = match href {
                    Some(_) => None,
                    None => self.artifact(&dest_url),
                };
                Node::Link { href, artifact_key, title: title.into_string(), children }
            }
            Tag::Image { title, .. } => Node::Image { title: title.into_string(), children },
            Tag::MetadataBlock(_) => Node::FrontMatter { text: String::new() },
        }
    }

    /// The artifact that a relative address names, as seen from this one's directory.
    fn artifact(&self, address: &str) -> Option<String> {
        let path = address.split(['#', '?']).next().filter(|path| !path.is_empty())?;
        if path.starts_with('/') || path.split('/').next()?.contains(':') {
            return None;
        }
        let path: Vec<u8> = percent_decode_str(path).collect();
        let mut segments: Vec<&[u8]> = self.from.segments().collect();
        segments.pop();
        for segment in path.split(|byte| *byte == b'/') {
            match segment {
                b"" | b"." => {}
                b".." => drop(segments.pop()?),
                name => segments.push(name),
            }
        }
        (self.artifact_at)(&RelPath::new(segments.join(&b'/')).ok()?)
    }
}

/// The text of a node that has nothing but text.
fn plain(node: &Node) -> &str {
    match node {
        Node::Text { text } | Node::HtmlInline { text } | Node::Code { text } => text,
        _ => "",
    }
}

/// An address that a person may follow out of the page.
fn outside(address: &str) -> Option<String> {
    let (scheme, _) = address.split_once(':')?;
    let is_known = ["http", "https", "mailto"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
    let is_plain = !address.chars().any(|c| c.is_control() || c.is_whitespace());
    (is_known && is_plain).then(|| address.to_owned())
}

fn language(kind: CodeBlockKind<'_>) -> Option<String> {
    match kind {
        CodeBlockKind::Indented => None,
        CodeBlockKind::Fenced(info) => info.split_whitespace().next().map(str::to_owned),
    }
}

fn side(alignment: Alignment) -> Option<&'static str> {
    match alignment {
        Alignment::None => None,
        Alignment::Left => Some("left"),
        Alignment::Center => Some("center"),
        Alignment::Right => Some("right"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn tree(text: &str) -> Value {
        let from = RelPath::new("tasks/WP01.md").expect("a path");
        let artifact_at = |path: &RelPath| {
            let known = ["spec.md", "tasks/WP02.md", "docs/a b.md"];
            known.contains(&&*path.shown()).then(|| format!("key of {}", path.shown()))
        };
        serde_json::to_value(parse(text, &from, &artifact_at)).expect("serialises")
    }

    fn links(text: &str) -> Vec<(Value, Value)> {
        fn walk(node: &Value, found: &mut Vec<(Value, Value)>) {
            if node["type"] == "link" {
                found.push((node["href"].clone(), node["artifact_key"].clone()));
            }
            for child in node["children"].as_array().into_iter().flatten() {
                walk(child, found);
            }
        }
        let mut found = Vec::new();
        walk(&tree(text), &mut found);
        found
    }

    #[test]
    fn what_markdown_has_becomes_nodes() {
        let text = |text: &str| json!({ "type": "text", "text": text });
        let children = |text: &str| {
            let tree = tree(text);
            assert_eq!(tree["truncated"], false);
            tree["children"].clone()
        };
        assert_eq!(
            children("# A *b* `c`\n"),
            json!([{ "type": "heading", "level": 1, "children": [
                text("A "), { "type": "emphasis", "children": [text("b")] }, text(" "),
                { "type": "code", "text": "c" },
            ] }])
        );
        assert_eq!(
            children("---\na: 1\n---\n"),
            json!([{ "type": "front_matter", "text": "a: 1\n" }])
        );
        assert_eq!(
            children("- [x] done\n- [ ] not\n"),
            json!([{ "type": "list", "ordered": false, "start": null, "children": [
                { "type": "item", "checked": true, "children": [text("done")] },
                { "type": "item", "checked": false, "children": [text("not")] },
            ] }])
        );
        assert_eq!(
            children("```rust x\nlet a = 1;\n```\n"),
            json!([{ "type": "code_block", "language": "rust", "text": "let a = 1;\n" }])
        );
        let cell = |inner: &str| json!({ "type": "cell", "children": [text(inner)] });
        assert_eq!(
            children("| a | b |\n|:--|--:|\n| 1 | 2 |\n"),
            json!([{ "type": "table", "alignments": ["left", "right"],
                "head": [cell("a"), cell("b")], "rows": [[cell("1"), cell("2")]] }])
        );
    }

    #[test]
    fn html_is_text() {
        assert_eq!(
            tree("<script>alert(1)</script>\n\na <img src=x onerror=alert(1)> b\n")["children"],
            json!([
                { "type": "html", "text": "<script>alert(1)</script>\n" },
                { "type": "paragraph", "children": [
                    { "type": "text", "text": "a " },
                    { "type": "html_inline", "text": "<img src=x onerror=alert(1)>" },
                    { "type": "text", "text": " b" },
                ] },
            ])
        );
    }

    #[test]
    fn links_lead_to_the_web_to_mail_and_to_artifacts_and_nowhere_else() {
        let none = || (Value::Null, Value::Null);
        for (address, expected) in [
            ("https://example.org/?a=b#c", (json!("https://example.org/?a=b#c"), Value::Null)),
            ("HTTP://example.org", (json!("HTTP://example.org"), Value::Null)),
            ("mailto:a@example.org", (json!("mailto:a@example.org"), Value::Null)),
            ("WP02.md#part", (Value::Null, json!("key of tasks/WP02.md"))),
            ("../spec.md", (Value::Null, json!("key of spec.md"))),
            ("../docs/a%20b.md", (Value::Null, json!("key of docs/a b.md"))),
            ("../../spec.md", none()),
            ("/spec.md", none()),
            ("#part", none()),
            ("javascript:alert(1)", none()),
            ("JaVaScRiPt:alert(1)", none()),
            ("data:text/html,x", none()),
            ("vbscript:x", none()),
            ("file:///etc/passwd", none()),
            ("//example.org/x", none()),
            ("nowhere.md", none()),
        ] {
            assert_eq!(links(&format!("[x]({address})")), [expected], "{address}");
        }
        assert_eq!(links("[x](<java\tscript:alert(1)>)"), [none()]);
        assert_eq!(links("![x](https://example.org/a.png)"), []);
    }

    #[test]
    fn depth_and_number_are_bounded_and_no_text_is_lost_for_its_depth() {
        let deep = format!("{}end", "> ".repeat(5000));
        let text = tree(&deep).to_string();
        assert!(text.contains("end"));
        let nesting = text.matches("\"quote\"").count();
        assert!(nesting < MAX_DEPTH, "{nesting}");
        // Each level once more for each node in it would be a billion steps.
        let wide = format!("{}{}end", "> ".repeat(24_000), "`a` ".repeat(12_500));
        assert!(tree(&wide).to_string().contains("end"));
        assert_eq!(tree(&"a\n\n".repeat(MAX_NODES))["truncated"], true);
        assert_eq!(tree(&"é".repeat(MAX_BYTES))["truncated"], true);
        assert_eq!(tree("")["children"], json!([]));
    }
}
