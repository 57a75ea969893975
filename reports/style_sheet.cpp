#include "style_sheet.hpp"

#include "palette.hpp"
#include "shell.hpp"

namespace faultline::reports {

namespace {

constexpr const char* page_rules = R"css(
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
.page{max-width:1480px;margin:0 auto;padding:18px 30px 28px}
h1,h2,h3,p,dl,dd,ol,figure,table{margin:0;padding:0}
h1{font-size:26px;line-height:1.2;font-weight:700;letter-spacing:-.01em}
h2{font-size:13px;font-weight:650;color:var(--soft);margin-bottom:8px}
h2 .more{font-weight:400}
h3{font-size:13px;font-weight:650;margin:14px 0 4px}
code,.mono,.cmd,.op-text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;font-size:.92em}
bdi{unicode-bidi:isolate}
a{color:inherit}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
.verdict{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 14px;border-left:6px solid var(--tone);padding:3px 0 4px 15px}
.verdict h1{color:var(--tone)}
.verdict p{color:var(--soft)}
.bad{--tone:var(--bad)}.good{--tone:var(--good)}.unknown{--tone:var(--unknown)}.broken{--tone:var(--broken)}
.sentence{font-size:20px;line-height:1.38;margin:12px 0;max-width:72em;overflow-wrap:anywhere;text-wrap:pretty}
.sentence code{background:var(--code);border-radius:4px;padding:1px 6px;font-size:.88em;box-decoration-break:clone;-webkit-box-decoration-break:clone}
.sentence strong{font-weight:700;white-space:nowrap}
.facts{display:flex;flex-wrap:wrap;gap:6px 28px;border-top:1px solid var(--line);border-bottom:1px solid var(--line);padding:8px 0 9px}
.facts dt{color:var(--soft);font-size:12px}
.facts div{max-width:230px}
.facts dd{font-weight:600;overflow-wrap:anywhere;text-wrap:balance}
.evidence{display:grid;grid-template-columns:minmax(0,1fr) minmax(320px,392px);gap:16px 34px;margin-top:16px}
section{margin-top:22px}
.evidence>section{margin-top:0;min-width:0}
.table{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th{font-size:12px;font-weight:400;color:var(--soft);text-align:left}
th,td{padding:4px 10px 4px 0;vertical-align:baseline;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
tbody th{font-size:inherit;color:inherit}
td,tbody th{overflow-wrap:anywhere}
.n{width:34px;white-space:nowrap}
.num{text-align:right;white-space:nowrap}
.disc{display:inline-block;min-width:18px;height:18px;border-radius:9px;padding:0 4px;background:var(--disc);color:var(--disc-text);font-size:11px;line-height:18px;text-align:center}
.disc.x{background:var(--bad);color:var(--bad-disc-text)}
.disc.ctx{background:none;color:var(--soft);box-shadow:inset 0 0 0 1.5px var(--soft)}
.disc.maybe{background:none;color:var(--open);box-shadow:inset 0 0 0 1.5px var(--open)}
.state{white-space:pre-wrap}
.changed{background:var(--change);border-radius:3px;font-weight:650;padding:0 5px;margin-left:-5px}
.candidates{margin-top:12px}
.candidates caption{text-align:left;font-size:13px;font-weight:650;color:var(--soft);padding-bottom:3px}
.candidates th+th,.candidates .what td+td{width:23%}
.candidates .why{color:var(--soft);font-size:13px;border-bottom:1px solid var(--line);padding-top:0}
.candidates tr.what td{border-bottom:0;padding-bottom:1px}
.candidates tr.stuck td{background:var(--bad-fill)}
.candidates tr.stuck td:first-child{box-shadow:inset 3px 0 var(--bad);padding-left:8px}
.candidates tr.stuck .op-text{color:var(--bad);font-weight:650}
.candidates tr.stuck .why{color:var(--text)}
.commands{list-style:none;background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:7px 12px}
.commands li{display:flex;flex-wrap:wrap;gap:0 18px;align-items:baseline;padding:1px 0}
.cmd{user-select:all;-webkit-user-select:all;overflow-wrap:anywhere}
.commands .note{color:var(--soft);font-size:12.5px}
.legend{display:flex;flex-wrap:wrap;gap:1px 16px;color:var(--soft);font-size:12px;list-style:none;padding:0;margin:4px 0 0}
.legend b{color:var(--text);font-weight:650}
details{margin-top:8px}
summary{cursor:pointer;color:var(--soft);font-size:13px}
details pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:9px 12px;margin:6px 0 0;overflow-x:auto;font-size:12px;line-height:1.5}
.primer{max-width:72em;color:var(--text)}
.primer p{margin:6px 0}
.others{list-style:none;padding:0}
.others>li{border-top:1px solid var(--line);padding:8px 0}
.others .what{font-weight:650;margin-right:8px}
.config{display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:2px 30px}
.config div{display:flex;gap:10px;border-bottom:1px solid var(--line);padding:3px 0}
.config dt{color:var(--soft);flex:0 0 11em}
.config dd{overflow-wrap:anywhere;min-width:0}
.word{white-space:nowrap}.word.valid{color:var(--good)}.word.invalid{color:var(--bad);font-weight:650}.word.undecided{color:var(--unknown)}
.remarks{color:var(--soft);padding-left:1.2em;margin:0}
.on-paper{display:none}
footer{margin-top:24px;color:var(--soft);font-size:12px}
)css";

constexpr const char* picture_rules = R"css(
svg.timeline{width:100%;height:auto;overflow:visible}
.picture:has(.crowded){max-height:440px;overflow-y:auto;border-bottom:1px solid var(--line)}
.wide{display:block}
.narrow{display:none}
.timeline text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;fill:var(--text);unicode-bidi:isolate}
.timeline .lane{fill:var(--text)}
.timeline .label{paint-order:stroke;stroke:var(--page);stroke-width:3px;stroke-linejoin:round}
.timeline .rule{stroke:var(--line)}
.timeline .axis{stroke:var(--soft)}
.timeline .tick{fill:var(--soft);font-size:11px}
.timeline .tint{fill:var(--fault-tint)}
.timeline .stripe{fill:var(--fault-fill)}
.timeline .edge{stroke:var(--fault);stroke-dasharray:1 2}
.timeline .fault{fill:var(--fault);font-size:11px}
.timeline .cut{fill:var(--page)}
.timeline .zigzag{fill:none;stroke:var(--cut)}
.timeline .drop{stroke:var(--bad);stroke-dasharray:2 3}
.timeline .gap{stroke:var(--bad);stroke-width:1.5}
.timeline .gap-label{fill:var(--bad);font-weight:700;paint-order:stroke;stroke:var(--page);stroke-width:5px;stroke-linejoin:round}
.timeline .ok .shape{fill:var(--ok-fill);stroke:var(--ok);stroke-width:1.3}
.timeline .open .fill{fill:var(--open-fill);stroke:none}
.timeline .open .shape{fill:none;stroke:var(--open);stroke-width:1.3;stroke-dasharray:5 3}
.timeline .runs-off{fill:var(--open);font-weight:700}
.timeline .fail .shape{fill:none;stroke:var(--fail);stroke-width:1.3}
.timeline .hatch{stroke:var(--fail);stroke-width:1.2}
.timeline .bad .shape{fill:var(--bad-fill);stroke:var(--bad);stroke-width:2.6}
.timeline .bad .label{fill:var(--bad);font-weight:700}
.timeline .ctx .shape,.timeline .ctx .fill{fill:none;stroke:var(--soft);stroke-width:1}
.timeline .ctx .fill{stroke:none}
.timeline .ctx .label,.timeline .ctx .runs-off{fill:var(--soft);font-weight:400}
.timeline .tail{stroke:var(--soft);stroke-dasharray:2 4}
.timeline .mark{fill:var(--disc)}
.timeline .number{fill:var(--disc-text);font-size:11px;font-weight:700}
.timeline .ctx .mark{fill:var(--page);stroke:var(--soft)}
.timeline .ctx .number{fill:var(--soft)}
.timeline .bad .mark{fill:var(--bad)}
.timeline .bad .number{fill:var(--bad-disc-text)}
.timeline .count-ok{fill:var(--ok)}
.timeline .count-fail{fill:var(--fail)}
.timeline .count-open{fill:var(--open)}
@media (max-width:900px){.evidence{grid-template-columns:minmax(0,1fr)}.page{padding:16px 20px 24px}}
@media (max-width:560px){
.page{padding:12px 16px 20px}
h1{font-size:22px}
.sentence{font-size:17px}
.facts{display:grid;grid-template-columns:1fr 1fr;gap:6px 16px}
.facts div{max-width:none}
.wide{display:none}
.narrow{display:block}
.bites th:nth-child(n+5),.bites td:nth-child(n+5),.long th:nth-child(n+4):nth-child(-n+8),.long td:nth-child(n+4):nth-child(-n+8){display:none}
}
@media (forced-colors:active){.timeline text,.timeline rect,.timeline path,.timeline line,.timeline circle{forced-color-adjust:none}}
@media print{
@page{size:A4;margin:12mm}
body{font-size:9pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.page{max-width:none;padding:0}
.sentence{font-size:13pt}
.facts{gap:4px 20px}
.evidence{grid-template-columns:minmax(0,1fr);gap:10px}
.wide{display:block}
.narrow{display:none}
.picture:has(.crowded){max-height:none;overflow:visible;border:0}
svg.crowded{max-height:130mm}
th,td{padding-top:2px;padding-bottom:2px}
section{margin-top:12px;break-inside:avoid}
details,.on-screen,.long tr:nth-child(n+9){display:none}
.on-paper{display:block}
.cmd{user-select:auto}
}
)css";

}  // namespace

std::string page_style() { return "\n" + palette_css() + (page_rules + 1); }

std::string style_sheet() { return page_style() + (picture_rules + 1) + std::string(shell_rules()); }

}  // namespace faultline::reports
