/** What all pages look like, in light and dark; no font, image or anything else is loaded. */
export const BASE_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #17202e; --soft: #5b6676; --line: #dfe3e9; --code: #eef1f5;
  --bad: #c0283d; --bad-soft: #fdeef0; --good: #14764a; --good-soft: #e6f5ec; --wait: #9a5b00; --wait-soft: #fff2d9; --wait-line: #e3a53a;
  --accent: #2f5fd0;
  --a0: #2f6fde; --a1: #8a4fe0; --a2: #0b8a7d; --a3: #c7377f; --a4: #5d7d12; --a5: #0e7ba0;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f141b; --card: #171e28; --ink: #e7ecf3; --soft: #98a4b5; --line: #2a3442; --code: #202937;
    --bad: #ff7d8c; --bad-soft: #37191f; --good: #5fd39a; --good-soft: #12301f; --wait: #f3b95a; --wait-soft: #33260f; --wait-line: #a9772a;
    --accent: #86a8ff;
    --a0: #6ea2ff; --a1: #b48cff; --a2: #45c9b8; --a3: #f280b5; --a4: #a9c957; --a5: #58bfe3;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2.5rem) 2.5rem; max-width: 86rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; -webkit-text-size-adjust: 100%; }
h1, h2, h3, h4, p, dl, dd, ul, ol, pre { margin: 0; padding: 0; }
ul, ol { list-style: none; }
code, pre { font-family: var(--mono); font-size: .875em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
p code, .card li code { background: var(--code); border-radius: 4px; padding: .1em .35em; overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }

header { margin-bottom: 1.25rem; }
.brand { font-weight: 700; color: var(--soft); font-size: .875rem; margin-bottom: 1rem; }
.brand span { font-weight: 400; }
.verdict { display: inline-flex; gap: .5rem; align-items: center; padding: .2rem .75rem; border-radius: 99px; font-weight: 650; font-size: .875rem; background: var(--wait-soft); color: var(--wait); }
h1 { font-size: clamp(1.5rem, 4vw, 2.125rem); line-height: 1.2; letter-spacing: -.015em; margin: .5rem 0; overflow-wrap: anywhere; }
.lead { text-wrap: pretty; font-size: 1.0625rem; max-width: 62rem; overflow-wrap: anywhere; }
.counts { display: flex; flex-wrap: wrap; gap: .25rem 1.75rem; margin-top: 1rem; }
.counts div { display: flex; gap: .4rem; align-items: baseline; }
.counts dt { order: 2; color: var(--soft); font-size: .875rem; }
.counts dd { font-weight: 650; font-variant-numeric: tabular-nums; }

main { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
.warning { border-left: 4px solid var(--wait-line); background: var(--wait-soft); padding: .6rem .9rem; border-radius: 4px 8px 8px 4px; }
.warning strong { color: var(--wait); margin-right: .25rem; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem 1.15rem; min-width: 0; }
.card h2 { font-size: 1rem; margin-bottom: .5rem; }
.card p { overflow-wrap: anywhere; }
footer { margin-top: 1.5rem; color: var(--soft); font-size: .8125rem; }
@media (max-width: 34rem) { .card { padding: .8rem; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`
