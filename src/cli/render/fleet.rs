//! What each node of a team has.

use super::{Line, Page, Table, Tone};
use crate::dossier::fleet::FleetFeature;

/// `dossierd fleet`.
pub fn fleet(features: &[FleetFeature]) -> Page {
    if features.is_empty() {
        return Page::from(Line::plain("no node has published a snapshot yet"));
    }
    let mut page = Page::new();
    for feature in features {
        page.gap();
        let state = match (feature.agrees, feature.nodes.len()) {
            (false, _) => Line::toned(Tone::Bad, "✗ nodes differ"),
            (true, 1) => Line::toned(Tone::Faint, "· one node"),
            (true, n) => Line::toned(Tone::Good, format!("✓ {n} nodes agree")),
        };
        page.line(
            Line::toned(Tone::Strong, &feature.mission_slug)
                .text("  ")
                .text(&feature.project_slug)
                .text(" @ ")
                .text(&feature.target_branch)
                .text("  ")
                .then(state),
        );
        let mut table = Table::new(&["NODE", "PARITY", ">ARTIFACTS", "COMPUTED"]).indented(2);
        let first = feature.nodes.first().map(|node| node.parity_hash_sha256);
        for node in &feature.nodes {
            let hash = node.parity_hash_sha256.short(12);
            let differs = Some(node.parity_hash_sha256) != first;
            table.row([
                Line::plain(&node.node_id),
                if differs {
                    Line::toned(Tone::Bad, format!("≠ {hash}"))
                } else {
                    Line::plain(format!("  {hash}"))
                },
                Line::plain(node.artifact_count.to_string()),
                Line::toned(Tone::Faint, node.computed_at.to_string()),
            ]);
        }
        page.append(table.page());
    }
    page
}
