/** Shows a step's details on hover, focus and tap; the page reads without it as well. */
export const SCRIPT = `
const steps = [...document.querySelectorAll('[data-step]')]
const details = document.getElementById('details')
const wide = matchMedia('(min-width: 64rem)')
let chosen

function show(step) {
  for (const other of steps) {
    if (other === step) other.setAttribute('aria-current', 'true')
    else other.removeAttribute('aria-current')
    document.getElementById('detail-' + other.dataset.step).hidden = other !== step
  }
}

function choose(step) {
  chosen = step
  show(step)
  details.classList.add('open')
}

function close() {
  details.classList.remove('open')
  chosen?.focus({ preventScroll: true })
}

for (const [index, step] of steps.entries()) {
  // Enter goes into the details and Escape back; a click leaves the arrow keys where they are.
  step.addEventListener('click', (event) => { choose(step); if (event.detail === 0) details.focus() })
  step.addEventListener('focus', () => { chosen = step; show(step) })
  step.addEventListener('pointerenter', (event) => { if (event.pointerType === 'mouse') show(step) })
  step.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse' && chosen) show(chosen) })
  step.addEventListener('keydown', (event) => {
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: steps.length - 1 }[event.key]
    if (to === undefined) return
    event.preventDefault()
    steps[to]?.focus()
  })
}

if (details) {
  details.querySelector('.close').addEventListener('click', close)
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && details.classList.contains('open')) close() })
  chosen = steps.find((step) => step.classList.contains('anomaly')) ?? steps[0]
  if (chosen) show(chosen)
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent)
    return true
  } catch {
    // Without the permission, select it: Ctrl+C is one key away.
    getSelection().selectAllChildren(source)
    return document.execCommand('copy')
  }
}

for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    const done = await copy(document.getElementById(button.dataset.copy))
    button.textContent = done ? 'Copied' : 'Selected'
    setTimeout(() => { button.textContent = 'Copy' }, 2000)
  })
}
document.body.classList.add('ready')
`
