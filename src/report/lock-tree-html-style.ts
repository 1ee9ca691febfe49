import { BASE_STYLE } from './html-style.js'

/** The live page's own style. */
export const STYLE = `${BASE_STYLE}
a { color: var(--accent); }
[hidden] { display: none !important; }
.brand { display: flex; flex-wrap: wrap; gap: .1rem .75rem; }
.brand .database { color: var(--ink); font-weight: 650; overflow-wrap: anywhere; }
.brand .read { margin-left: auto; font-variant-numeric: tabular-nums; }
.waiting .verdict { background: var(--bad-soft); color: var(--bad); }
.free .verdict { background: var(--good-soft); color: var(--good); }
h1 { font-variant-numeric: tabular-nums; }
.alarm { border: 2px solid var(--bad); background: var(--bad-soft); border-radius: 8px; padding: .75rem 1rem; margin-bottom: 1rem; }
.alarm strong { color: var(--bad); }
.alarm pre { margin-top: .4rem; max-height: 8rem; overflow-y: auto; }
/* What is not live any more must not look as if it were. */
.broken h1, .broken .lead, .broken main, .stale h1, .stale .lead, .stale .verdict, .stale main { opacity: .5; filter: grayscale(1); }
.stale #view .alarm { display: none; }

main, .side { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); align-items: start; }
.sessions { min-width: 0; }
.sessions > ul { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
.root { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--bad); border-radius: 12px; padding: .85rem 1.15rem; scroll-margin-top: 1rem; min-width: 0; }
.waiter { position: relative; padding-top: .6rem; min-width: 0; }
.sessions ul ul { margin-left: .4rem; padding-left: 1.1rem; border-left: 2px solid var(--line); }
/* A long queue would walk off the page. */
.sessions ul ul ul ul ul ul ul { margin-left: 0; padding-left: 0; border-left: 0; }
.root > .session { padding-bottom: .1rem; }
.waiter > .session { border: 1px solid var(--line); border-left: 4px solid var(--wait-line); border-radius: 8px; padding: .5rem .75rem; }
.who { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .65rem; color: var(--soft); font-size: .875rem; }
.who b { color: var(--ink); font-size: 1.0625rem; overflow-wrap: anywhere; }
.who span { overflow-wrap: anywhere; }
.state { border-radius: 99px; padding: 0 .55rem; background: var(--code); }
.state.idle { background: var(--bad-soft); color: var(--bad); font-weight: 600; }
.who .blocks { margin-left: auto; color: var(--bad); font-weight: 650; }
.wait { margin: .15rem 0 .25rem; }
.wait b { color: var(--wait); font-variant-numeric: tabular-nums; }
.target { font-weight: 650; overflow-wrap: anywhere; }
.also { color: var(--soft); font-size: .875rem; }
.bar { display: block; width: 100%; height: .6rem; border-radius: 99px; background: var(--wait-soft); margin-top: .2rem; }
.bar rect { fill: var(--wait-line); }
.facts { color: var(--soft); font-size: .875rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.facts b { color: var(--bad); font-weight: 650; }
details { font-size: .875rem; margin-top: .15rem; }
summary { color: var(--soft); cursor: pointer; overflow-wrap: anywhere; padding: .1rem 0; }
summary code { color: var(--ink); }
summary em { font-style: normal; font-weight: 650; color: var(--wait); background: var(--wait-soft); border-radius: 4px; padding: 0 .25em; }
details pre, .deadlocks pre { background: var(--code); border-radius: 8px; padding: .5rem .7rem; margin-top: .3rem; max-height: 16rem; overflow-y: auto; }
.ending { margin-top: .5rem; color: var(--soft); }
.left-out { color: var(--soft); padding: .75rem .25rem; }

.chart { margin: 0 0 .6rem; }
.chart figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .5rem; font-size: .875rem; }
.chart b { font-variant-numeric: tabular-nums; }
.chart span { margin-left: auto; color: var(--soft); font-size: .8125rem; font-variant-numeric: tabular-nums; }
.chart svg { display: block; width: 100%; height: 4.5rem; border-bottom: 1px solid var(--line); }
.chart rect { fill: var(--wait-line); }
.chart.time rect { fill: var(--accent); }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: .8125rem; }
.deadlocks li + li { margin-top: .75rem; }
.deadlocks time { color: var(--soft); font-size: .875rem; font-variant-numeric: tabular-nums; }

@media (min-width: 64rem) {
  main:has(.sessions) { grid-template-columns: minmax(0, 1fr) 23rem; }
}
@media (max-width: 34rem) {
  .root { padding: .7rem .75rem; }
  .sessions ul ul { margin-left: 0; padding-left: .6rem; }
  .waiter > .session { padding: .45rem .6rem; }
  .brand .read { margin-left: 0; }
}
`
