import { BASE_STYLE } from './html-style.js'

/** The report's own style. */
export const STYLE = `${BASE_STYLE}
.violated .verdict { background: var(--bad-soft); color: var(--bad); }
.held .verdict { background: var(--good-soft); color: var(--good); }
.timeline, .details, .replay { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem 1.15rem; min-width: 0; }
.replay h2, .timeline h2 { font-size: 1rem; margin-bottom: .5rem; }
.multiline { white-space: pre-wrap; }
.prevention { border-color: color-mix(in srgb, var(--good) 45%, var(--line)); }
.prevention h2 { color: var(--good); }
.compared { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin-top: .75rem; }
.compared div { border-left: 3px solid var(--good); padding-left: .6rem; min-width: 0; }
.compared .actual { border-color: var(--bad); }
.compared dt, h4 { color: var(--soft); font-size: .8125rem; font-weight: 500; }
.actual dd { color: var(--bad); font-weight: 650; }

.run { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); align-items: start; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; color: var(--soft); font-size: .8125rem; margin-bottom: .75rem; }
.legend li { display: flex; align-items: center; gap: .4rem; }
.key { width: .9rem; height: .9rem; border-radius: 4px; flex: none; border: 1px solid; }
.key.anomaly { background: var(--bad); border-color: var(--bad); }
.key.failed { background: var(--bad-soft); border-color: var(--bad); border-style: dashed; }
.key.wait, .bar { background: repeating-linear-gradient(-45deg, var(--wait-soft) 0 6px, color-mix(in srgb, var(--wait-line) 32%, var(--wait-soft)) 6px 12px); border-color: var(--wait-line); }
.hint { display: none !important; }
.ready .hint { display: flex !important; }

.scroll { overflow-x: auto; }
.lanes, .lanes ol { display: grid; grid-template-columns: 2rem repeat(var(--lanes), minmax(8.25rem, 1fr)); column-gap: .6rem; }
.lanes ol { z-index: auto; grid-column: 1 / -1; grid-row: 1 / span var(--rows); grid-template-rows: subgrid; }
.lanes { grid-template-rows: auto repeat(calc(var(--rows) - 1), auto); min-width: min-content; padding: 3px; isolation: isolate; }
.actor-0 { --actor: var(--a0); } .actor-1 { --actor: var(--a1); } .actor-2 { --actor: var(--a2); }
.actor-3 { --actor: var(--a3); } .actor-4 { --actor: var(--a4); } .actor-5 { --actor: var(--a5); }
.head { font-weight: 650; color: var(--actor); border-bottom: 3px solid var(--actor); padding: .15rem .1rem .35rem; margin-bottom: .35rem; overflow-wrap: anywhere; }
.life { margin-bottom: -.4rem; justify-self: center; width: 2px; background: color-mix(in srgb, var(--actor) 35%, transparent); }
.band { z-index: -1; grid-column: 1 / -1; background: color-mix(in srgb, var(--bad) 7%, transparent); border-radius: 8px; margin: .1rem -3px; }
.number { grid-column: 1; align-self: center; text-align: center; color: var(--soft); font-size: .8125rem; font-variant-numeric: tabular-nums; }
.number span { display: inline-grid; place-items: center; min-width: 1.6rem; height: 1.6rem; border-radius: 99px; padding: 0 .3rem; }
.number.anomaly span { background: var(--bad); color: var(--card); font-weight: 700; }
.cell { min-width: 0; padding: .3rem 0; z-index: 1; }
.step { display: block; width: 100%; text-align: left; font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--actor);
  border-radius: 8px; padding: .4rem .6rem; cursor: pointer; box-shadow: 0 1px 2px rgb(0 0 0 / .06); }
.step code { display: block; font-size: .8125rem; line-height: 1.45; overflow-wrap: anywhere; }
.step em { font-style: normal; font-weight: 650; color: var(--wait); background: var(--wait-soft); border-radius: 4px; padding: 0 .25em; }
.step:hover, .step[aria-current] { background: color-mix(in srgb, var(--actor) 8%, var(--card)); border-color: var(--actor); }
.step.anomaly { border-color: var(--bad); border-left-color: var(--actor); }
.step.failed, .woke.failed, .settled.failed { border-style: dashed; border-color: var(--bad); color: var(--bad); background: var(--bad-soft); }
.result { display: block; font-size: .8125rem; color: var(--soft); overflow-wrap: anywhere; }
.step.failed .result, .woke.failed .result { color: var(--bad); font-weight: 650; }
.step .waits { display: block; margin: .35rem -.6rem -.4rem; padding: .2rem .6rem; background: var(--wait-soft); color: var(--wait); font-size: .8125rem; font-weight: 600; border-radius: 0 0 7px 4px; border-top: 1px solid var(--wait-line); }
.step.waiting { border-bottom-color: var(--wait-line); }
.bar { margin: -.35rem 0 -.35rem; min-height: 2.25rem; border: 1px solid var(--wait-line); border-width: 0 1px; display: grid; place-items: start center; padding-top: .55rem; }
.bar span { font-size: .75rem; font-weight: 650; color: var(--wait); background: var(--wait-soft); padding: 0 .5rem; border-radius: 99px; }
.woke { border: 1px solid var(--wait-line); background: var(--card); border-radius: 8px; padding: .3rem .6rem; font-size: .8125rem; font-weight: 650; color: var(--wait); overflow-wrap: anywhere; }
.woke .result { display: inline; font-weight: 400; }
.settled { width: fit-content; max-width: 100%; margin: 0 auto; padding: .1rem .7rem; border-radius: .8rem; border: 1px solid var(--line); background: var(--code); color: var(--soft); font-size: .8125rem; font-weight: 600; overflow-wrap: anywhere; }
.tag { align-self: center; display: flex; align-items: center; z-index: 1; min-width: 0; color: var(--wait); font-size: .75rem; font-weight: 600; line-height: 1.3; margin: 0 -.6rem; }
.tag span { background: var(--wait-soft); border: 1px dashed var(--wait-line); border-radius: 6px; padding: .15rem .5rem; overflow-wrap: anywhere; }
.tag::before, .tag::after { flex: 1 0 .8rem; height: 10px; }
.tag.blocks { --stroke: repeating-linear-gradient(90deg, var(--wait-line) 0 5px, transparent 5px 9px); }
.tag.wakes { --stroke: linear-gradient(var(--wait-line) 0 0); }
.tag.to-left { padding-right: 1.2rem; } .tag.to-right { padding-left: 1.2rem; }
.tag.to-left::before { content: ""; background: conic-gradient(from 55deg at left center, var(--wait-line) 70deg, transparent 0) left / 9px 10px no-repeat, var(--stroke) center / 100% 2px no-repeat; }
.tag.to-right::after { content: ""; background: conic-gradient(from 235deg at right center, var(--wait-line) 70deg, transparent 0) right / 9px 10px no-repeat, var(--stroke) center / 100% 2px no-repeat; }
.tag.wakes span { border-style: solid; }
.line { align-self: center; border-top: 2px dashed var(--wait-line); margin: 0 -.6rem; }
.across { grid-column: 2 / -1; z-index: 1; margin: .3rem 0; padding: .35rem .75rem; text-align: center; border-radius: 8px; background: var(--code); color: var(--soft); font-size: .8125rem; overflow-wrap: anywhere; }
.deadlock { background: var(--bad-soft); color: var(--bad); border: 1px solid var(--bad); }

.details { position: relative; }
.details h3 { font: 650 .875rem/1.45 var(--mono); overflow-wrap: anywhere; margin-bottom: .6rem; }
.details h4 { margin: .75rem 0 .2rem; }
.details .where { color: var(--soft); font-size: .8125rem; padding-right: 2rem; }
.details .waits { color: var(--wait); background: var(--wait-soft); padding: .3rem .6rem; border-radius: 6px; font-size: .875rem; }
.details pre { background: var(--code); padding: .6rem .7rem; border-radius: 8px; font-size: .8125rem; }
.details .error { color: var(--bad); background: var(--bad-soft); margin-top: .4rem; }
.args div { display: flex; gap: .6rem; font-family: var(--mono); font-size: .8125rem; }
.args dt { color: var(--soft); flex: none; min-width: 1.75rem; } .args dd { overflow-wrap: anywhere; }
table { border-collapse: collapse; font-family: var(--mono); font-size: .8125rem; margin-top: .3rem; }
th, td { border: 1px solid var(--line); padding: .2rem .5rem; text-align: left; } th { color: var(--soft); font-weight: 500; }
.details:focus { outline: none; }
.details:focus-visible { outline: 3px solid var(--accent); }
.close { position: absolute; top: .6rem; right: .6rem; border: 0; background: none; color: var(--soft); font-size: 1rem; width: 2.25rem; height: 2.25rem; border-radius: 8px; cursor: pointer; }
body:not(.ready) .details [hidden] { display: block; margin-bottom: 2rem; }
body:not(.ready) .close, body:not(.ready) [data-copy] { display: none; }

.replay { display: grid; gap: .75rem; grid-template-columns: minmax(0, 1fr); }
.replay h2 { margin: 0; }
.copyable { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .2rem .6rem; align-items: start; }
.copyable p { grid-column: 1 / -1; color: var(--soft); font-size: .8125rem; }
.copyable pre { background: var(--code); padding: .6rem .75rem; border-radius: 8px; }
.copyable button { font: inherit; font-size: .875rem; font-weight: 600; color: var(--accent); background: none; border: 1px solid var(--line); border-radius: 8px; padding: .4rem .9rem; min-width: 5.5rem; cursor: pointer; }
.copyable button:hover { border-color: var(--accent); }

@media (min-width: 64rem) {
  .run { grid-template-columns: minmax(0, 1fr) 23rem; }
  .details { position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow-y: auto; }
  .ready .close { display: none; }
}
@media (max-width: 63.99rem) {
  .ready .details { position: fixed; inset: auto 0 0; z-index: 5; max-height: 70vh; overflow-y: auto; border-radius: 16px 16px 0 0; box-shadow: 0 -6px 30px rgb(0 0 0 / .3); visibility: hidden; transform: translateY(100%); transition: transform .18s, visibility .18s; }
  .ready .details.open { visibility: visible; transform: none; }
  body:has(.details.open) { padding-bottom: 72vh; }
}
@media (max-width: 34rem) {
  .timeline, .replay { padding: .8rem; }
  .lanes, .lanes ol { column-gap: .4rem; grid-template-columns: 1.6rem repeat(var(--lanes), minmax(8rem, 1fr)); }
  .step { padding: .35rem .45rem; } .step .waits { margin: .35rem -.45rem -.35rem; padding: .2rem .45rem; }
  .tag span { padding: .1rem .3rem; }
  .copyable { grid-template-columns: minmax(0, 1fr); } .copyable button { justify-self: start; }
}
@media print { .details, [data-copy], .hint { display: none !important; } }
`
