//! How a picture looks, in light and in dark. The colours can be told apart by people who see few of them.

pub(super) const STYLE: &str = "\
<style>
.bl-page{fill:#fff}
.bl-text,.bl-name{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px;fill:#333}
.bl-name{font-size:17px;font-weight:600;fill:#111}
.bl-frame{fill:none;stroke:#bbb}
.bl-grid,.bl-tick{fill:none;stroke:#888;stroke-opacity:.3}
.bl-outage{fill:#d33;fill-opacity:.09}
.bl-ok{fill:#4a9e84}
.bl-slow{fill:#d9b64a}
.bl-failed{fill:#c4482e}
.bl-rejected{fill:#8b82b8}
.bl-unmade{fill:#999}
.bl-open{fill:#5d4f9e}
.bl-half-open{fill:#b9a8ec}
.bl-load{fill:#4f83b5}
path.bl-offered{fill:none;stroke:#111;stroke-width:1.2}
rect.bl-offered{fill:#111}
@media (prefers-color-scheme:dark){
.bl-page{fill:#14171c}
.bl-text{fill:#c8ccd2}
.bl-name{fill:#f2f4f7}
.bl-frame{stroke:#555b64}
.bl-outage{fill:#f66;fill-opacity:.14}
.bl-open{fill:#8f7fe0}
.bl-half-open{fill:#d3c8f7}
path.bl-offered{stroke:#f2f4f7}
rect.bl-offered{fill:#f2f4f7}
}
</style>";

/// For pictures in which something is shed.
pub(super) const SHED: &str = "<style>.bl-shed{fill:#e08a3c}</style>";
