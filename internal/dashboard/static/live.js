// Keeps a page fresh: when the server says that something changed which the page shows, the page is read again and
// what differs is put in its place. Without this script every page works by reloading it.
(() => {
  'use strict'
  const data = document.body.dataset, main = () => document.getElementById('main')
  const live = document.getElementById('live'), news = document.getElementById('news')
  const root = new URL('..', document.currentScript.src).pathname // below which everything is served
  let topics = new Set(data.topics.split(' ').filter(Boolean))
  let stream = null, waiting = 0, reading = false, again = '', lost = false, failed = 0, said = main().dataset.summary
  let known = true // who gets our forms: true while the stream has shown the mark of the server that made this page
  let held = null // a page that was read and is not shown yet

  // Whoever types or has opened something must not lose it.
  const busy = el => el.contains(document.activeElement) && document.activeElement.matches('input:not([type=hidden]), select, textarea')

  // drafts are the fields of el that hold text which was not sent; place is where the text of one goes in another page.
  // An answer to a question is none: another question must not get it.
  const drafts = el => [...el.querySelectorAll('form[method=post] :is(input:not([type]), input[type=text], textarea)')]
    .filter(f => f.value !== f.defaultValue && !f.classList.contains('secret'))
  const place = (el, draft) => [...el.querySelectorAll('form[method=post]')]
    .find(f => f.getAttribute('action') === draft.form.getAttribute('action') && f.elements.namedItem(draft.name))?.elements.namedItem(draft.name)
  let away = false // nobody would get what main holds, which stays for what is typed there

  const key = el => el.nodeType === 1 && (el.id || el.dataset.id) || ''

  // merge makes old like fresh, leaving alone what is the same.
  function merge(old, fresh) {
    if (old.isEqualNode(fresh)) return
    if (old.nodeName !== fresh.nodeName || key(old) !== key(fresh)) return old.replaceWith(fresh)
    if (old.nodeName === 'DETAILS' && old.open) fresh.setAttribute('open', '')
    if (old.nodeName === 'FORM' && busy(old)) return
    if (old instanceof HTMLInputElement && old.type === 'hidden') return old.replaceWith(fresh)
    if (old.nodeType !== Node.ELEMENT_NODE) return old.replaceWith(fresh)
    for (const a of [...old.attributes]) if (!fresh.hasAttribute(a.name)) old.removeAttribute(a.name)
    for (const a of [...fresh.attributes]) if (old.getAttribute(a.name) !== a.value) old.setAttribute(a.name, a.value)
    const was = [...old.childNodes], is = [...fresh.childNodes]
    const byKey = new Map(was.filter(key).map(n => [key(n), n]))
    let at = 0
    for (const n of is) {
      const k = key(n)
      const same = k ? byKey.get(k) : was[at] && !key(was[at]) ? was[at] : null
      if (same && same.parentNode === old) {
        const here = old.childNodes[at]
        if (same !== here) old.insertBefore(same, here || null)
        merge(same, n)
      } else old.insertBefore(n, old.childNodes[at] || null)
      at++
      was.length = 0
      was.push(...old.childNodes)
    }
    while (old.childNodes.length > is.length) old.lastChild.remove()
  }

  // ids are the alerts that a list shows, in order.
  const ids = el => [...el.querySelectorAll('.timeline [data-id]')].map(e => e.dataset.id)
  const something = 'a, button, summary, input, select, textarea, label'

  // used says that somebody reads the list, or is about to press something: nothing may move under their hands.
  const used = () => scrollY > 60 || main().querySelector(':is(' + something + ', .entry):hover') ||
    document.activeElement !== main() && main().contains(document.activeElement) || !getSelection().isCollapsed

  // show puts a page that was read in its place, now or, if it is a list that somebody uses, when they say so.
  function show(page, now) {
    const fresh = page.getElementById('main'), old = main(), was = ids(old), is = ids(fresh)
    const moved = was.length && is.length && is.join() !== was.join()
    if (moved && !now && used()) {
      held = page
      const n = is.filter(id => !was.includes(id)).length
      const text = n > 1 ? data.newMany.replace('{n}', n) : n ? data.newOne : data.changed
      news.firstChild.textContent = text
      const before = target()
      news.hidden = false
      if (before !== target()) still()
      tell(text)
      return
    }
    const typed = drafts(old)
    away = false
    if (typed.some(f => !place(fresh, f))) { // the band says what has changed
      away = !!page.getElementById('gone')
      return
    }
    held = null
    news.hidden = true
    const flash = old.querySelector(':scope > .flash')
    if (flash && !fresh.querySelector(':scope > .flash')) fresh.prepend(document.importNode(flash, true))
    const focused = document.activeElement && document.activeElement.id
    const under = target(), meant = means(under)
    const typing = document.activeElement
    merge(old, document.importNode(fresh, true))
    for (const f of typed) {
      if (f.isConnected) continue
      const to = place(main(), f)
      to.value = f.value
      for (let d = to.closest('details'); d; d = d.parentElement.closest('details')) d.open = true
      if (f === typing) to.focus({ preventScroll: true })
    }
    if (under !== target() || meant !== means(under)) still() // what is under the pointer now is not what was aimed at
    if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true })
    document.title = page.title
    tell(main().dataset.summary)
    const ask = document.getElementById('secret')
    if (ask && document.activeElement === document.body) ask.focus()
    topics = new Set(page.body.dataset.topics.split(' ').filter(Boolean))
    if (data.stream !== page.body.dataset.stream) { data.stream = page.body.dataset.stream; close(); open() }
  }

  // tell says something to who cannot see it, once.
  function tell(text) {
    if (text && text !== said) { said = text; live.textContent = text }
  }

  // The pointer, and what could be pressed with it.
  let x = -1, y = -1, deaf = false
  const target = () => x < 0 ? null : document.elementFromPoint(x, y)?.closest(something) || null
  const means = el => el && [el.form?.action, el.href, el.name, el.value, el.textContent].join(' ')
  addEventListener('pointermove', e => { if (deaf && Math.hypot(e.clientX - x, e.clientY - y) > 3) hear(); if (!deaf) { x = e.clientX; y = e.clientY } }, true)
  document.documentElement.addEventListener('pointerleave', () => { x = -1; hear() })
  addEventListener('scroll', () => hear(), true)

  // still has clicks do nothing until the pointer moves or a moment has passed: long enough to see what is there now.
  let quiet = 0
  function still() { if (target()) { deaf = true; clearTimeout(quiet); quiet = setTimeout(hear, 800) } }
  function hear() { deaf = false }
  for (const type of ['pointerdown', 'mousedown', 'click']) addEventListener(type, e => {
    if (Math.hypot(e.clientX - x, e.clientY - y) > 3) hear()
    if (deaf && e.isTrusted && e.detail !== 0 && (main().contains(e.target) || news.contains(e.target))) { e.preventDefault(); e.stopPropagation() }
  }, true)

  // read takes in the page as it is now, or what = 'state': only what every page says of the agent.
  async function read(what = 'page') {
    if (reading) { if (again !== 'page') again = what; return }
    reading = true
    try {
      const answer = await fetch(location.href, { cache: 'no-store' })
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      // Once our server has ended, another program may take its port: only who knows our mark is believed.
      if (page.body.dataset.mark !== data.mark) return lose()
      if (answer.redirected && !drafts(main()).length && new URL(answer.url).pathname !== location.pathname) { location.replace(answer.url); return }
      merge(document.getElementById('state'), document.importNode(page.getElementById('state'), true))
      if (what === 'page' || away) show(page, !!page.getElementById('gone'))
      able()
    } catch (e) {
      if (!(e instanceof TypeError && /fetch/i.test(e.message))) console.error(e) // else the stream says when it is back
    } finally {
      reading = false
      if (again) { const next = again; again = ''; setTimeout(() => read(next), 150) }
    }
  }

  // able lets forms be sent, or not: nobody is known to be there who may get what they hold.
  function able() {
    for (const b of document.querySelectorAll('form[method=post] button')) b.disabled = !known || away && main().contains(b)
  }
  document.addEventListener('submit', e => { if ((!known || away && main().contains(e.target)) && e.target.method === 'post') { e.preventDefault(); e.stopPropagation() } }, true)

  // doubt says that it is not known who is there.
  function doubt() { known = false; able() }

  // lose says that the page is not fresh any more.
  function lose() {
    doubt()
    lost = true
    live.textContent = said = data.lost
    live.classList.remove('away')
  }

  // found says that the server that made this page is there.
  function found() {
    failed = 0
    known = true
    if (lost) { lost = false; live.classList.add('away'); read() }
    able()
  }

  function open() {
    clearTimeout(waiting)
    if (stream || document.hidden) return
    const one = stream = new EventSource(root + 'live?' + new URLSearchParams({ page: data.stream, at: data.at }))
    one.addEventListener('open', () => setTimeout(() => { if (one === stream && !known && one.readyState === EventSource.OPEN) lose() }, 5000))
    one.addEventListener('here', e => { if (one !== stream) return; if (e.data === data.mark) found(); else lose() })
    one.addEventListener('changed', e => {
      if (!known || one !== stream) return
      if (topics.has(e.data)) read()
      else if (e.data === 'agent') read('state')
    })
    one.addEventListener('error', () => {
      if (one !== stream) return
      doubt()
      if (++failed < 3 && one.readyState !== EventSource.CLOSED) return
      lose()
      if (one.readyState === EventSource.CLOSED) { stream = null; waiting = setTimeout(open, 5000) }
    })
  }
  function close() { if (stream) stream.close(); stream = null }

  // A browser has six connections for us, and each visible page holds one. What was hidden does not know who is there.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return close()
    doubt()
    open() // which says what was missed
  })
  addEventListener('pagehide', close)
  addEventListener('pageshow', e => { if (e.persisted) { doubt(); open() } })
  setInterval(() => { if (document.hidden) fetch(root + 'alive').catch(() => {}) }, 15 * 60 * 1000) // it ends when no page is open

  news.firstChild.addEventListener('click', () => { if (held) { const page = held; scrollTo(0, 0); show(page, true); able(); main().focus({ preventScroll: true }) } })

  // A choice in a list of choices is enough.
  for (const f of document.querySelectorAll('form.filter')) {
    f.addEventListener('change', () => f.requestSubmit())
    f.querySelector('button').hidden = true
  }
  // One open question at a time, closed by Escape.
  const asks = () => document.querySelectorAll('details.ask[open]')
  document.addEventListener('toggle', e => { if (e.target.matches?.('details.ask') && e.target.open) for (const d of asks()) if (d !== e.target) d.open = false }, true)
  document.addEventListener('keydown', e => { if (e.key === 'Escape') for (const d of asks()) { d.open = false; d.querySelector('summary').focus() } })
  open()
})()
