# Draws what the demo prints: a terminal as an SVG, for light and for dark pages. Used by .ci/picture.

# What a browser reads as text and not as a tag.
function escaped(text) {
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    return text
}

function kind(line) {
    if (line ~ /^\$/) return "typed"
    if (line ~ /^circuit .* (opened|closed)/) return "changed"
    if (line ~ /^circuit /) return "probing"
    if (line ~ / 503 /) return "rejected"
    if (line ~ / 500 /) return "failed"
    if (line ~ / 200 /) return "succeeded"
    return "plain"
}

{ lines[NR] = $0; if (length($0) > widest) widest = length($0) }

END {
    width = widest * 7.9 + 40
    height = NR * 19 + 36
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n", \
        width, height, width, height
    print "<title>What the demo prints: three failures open the circuit, every route is rejected, a probe fails, and a later one closes it</title>"
    print "<style>"
    print "svg { --paper: #f6f8fa; --plain: #57606a; --changed: #8250df; --failed: #bc4c00; --rejected: #0550ae; --succeeded: #116329 }"
    print "@media (prefers-color-scheme: dark) { svg { --paper: #161b22; --plain: #9da7b3; --changed: #d2a8ff; --failed: #ffa657; --rejected: #79c0ff; --succeeded: #7ee787 } }"
    print "text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre; fill: var(--plain) }"
    print ".changed { fill: var(--changed); font-weight: bold } .probing { fill: var(--changed) }"
    print ".failed { fill: var(--failed) } .rejected { fill: var(--rejected) } .succeeded { fill: var(--succeeded) }"
    print "</style>"
    printf "<rect width=\"%d\" height=\"%d\" rx=\"8\" style=\"fill: var(--paper)\"/>\n", width, height
    for (line = 1; line <= NR; line++)
        printf "<text class=\"%s\" x=\"20\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", \
            kind(lines[line]), line * 19 + 14, escaped(lines[line])
    print "</svg>"
}
