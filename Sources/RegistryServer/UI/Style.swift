import OCI

/// What the pages load, from the registry itself, under addresses that change with the content.
package enum PageAssets {
    /// Part of the addresses: a browser keeps a file for good, and gets the new one with a new version.
    static let version = String(Digest.sha256(of: Array((style + script + icon).utf8)).hex.prefix(12))

    /// What pages may load: themselves only, no frame around them, forms only to this registry.
    package static let contentSecurityPolicy =
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        + "frame-ancestors 'none'"

    static let icon = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#5558e8" stroke-width="2" \
        stroke-linejoin="round" stroke-linecap="round"><path d="M2 16.5l10 5 10-5"/><path d="M2 12l10 5 10-5"/>\
        <path fill="#5558e8" d="M12 2.5l10 5-10 5-10-5z"/></svg>
        """

    /// Only makes better what works without it: the copy buttons, and `/` that goes to the search field.
    package static let script = """
        const copy = async text => {
          if (navigator.clipboard) return navigator.clipboard.writeText(text);
          // Plain HTTP has no clipboard of its own.
          const area = document.createElement("textarea");
          area.value = text; document.body.append(area); area.select();
          document.execCommand("copy"); area.remove();
        };
        for (const button of document.querySelectorAll("button[data-copy]")) {
          const text = button.textContent;
          button.hidden = false;
          button.addEventListener("click", async () => {
            await copy(button.dataset.copy);
            button.textContent = button.dataset.done;
            setTimeout(() => { button.textContent = text; }, 1500);
          });
        }
        document.addEventListener("keydown", event => {
          if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
          if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
          const search = document.querySelector("header input[type=search]");
          if (search) { event.preventDefault(); search.focus(); search.select(); }
        });

        """

    /// Follows the reader's light or dark setting, works at 320 pixels, keeps every text at a contrast of 4.5 or more.
    package static let style = """
        :root {
          color-scheme: light dark;
          --back: #f5f6f9; --card: #fff; --text: #191e26; --soft: #586170; --line: #e1e5eb; --field: #f3f5f8;
          --accent: #3d40c9; --on-accent: #fff; --good: #0d6336; --good-back: #e0f4e8; --bad: #ac1d29; --bad-back: #fdeaeb;
          --shadow: 0 1px 2px #1018280f, 0 1px 6px #1018280a;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --back: #0d1015; --card: #151a21; --text: #e8ecf1; --soft: #9ba6b4; --line: #29303a; --field: #1d242d;
            --accent: #a5aaff; --on-accent: #10131a; --good: #82e3ab; --good-back: #123020; --bad: #ffa0a0;
            --bad-back: #3a181b; --shadow: none;
          }
        }
        * { box-sizing: border-box; }
        [hidden] { display: none !important; }
        body {
          margin: 0; min-height: 100vh; display: flex; flex-direction: column; background: var(--back); color: var(--text);
          font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans SC", "Noto Sans CJK SC",
            sans-serif;
        }
        header, footer { background: var(--card); }
        header { border-bottom: 1px solid var(--line); }
        .inner, main { width: 100%; max-width: 76rem; margin: 0 auto; padding: .75rem 1.25rem; }
        main { flex: 1; padding-block: 1.5rem 4rem; outline: none; }
        header .inner { display: flex; flex-wrap: wrap; gap: .6rem 1.25rem; align-items: center; }
        header .name {
          display: flex; align-items: center; gap: .55rem; font-weight: 700; color: inherit; text-decoration: none;
          overflow-wrap: anywhere;
        }
        header svg { flex: none; fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
        header svg .high { fill: var(--accent); }
        header form[role=search] { flex: 1 1 14rem; max-width: 32rem; margin: 0 auto 0 0; }
        header form[role=search] input { width: 100%; border-radius: 99px; padding-inline: 1rem; }
        header nav { display: flex; flex-wrap: wrap; gap: .5rem 1.1rem; align-items: center; }
        header nav form { margin: 0; }
        .user { color: var(--soft); }
        footer { border-top: 1px solid var(--line); font-size: .875rem; }
        footer .inner, footer nav { display: flex; flex-wrap: wrap; gap: .5rem 1rem; }
        footer nav { margin-inline-start: auto; }

        a { color: var(--accent); text-underline-offset: .2em; text-decoration-thickness: 1px; }
        td a, .trail a, .sections a, header nav a, footer a { text-decoration: none; }
        a:hover { text-decoration: underline; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
        .skip { position: absolute; left: -99rem; }
        .skip:focus { left: 1rem; top: .5rem; z-index: 1; background: var(--card); padding: .5rem 1rem; }
        .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        .soft { color: var(--soft); }

        h1 { font-size: 1.75rem; line-height: 1.25; letter-spacing: -.01em; margin: .25rem 0 1.25rem; overflow-wrap: anywhere; }
        h1 .tag { color: var(--accent); }
        h1 .badge { vertical-align: middle; letter-spacing: 0; }
        h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
        h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
        .trail ol { list-style: none; display: flex; flex-wrap: wrap; margin: 0; padding: 0; font-size: .9rem; }
        .trail li::after { content: "/"; color: var(--soft); padding: 0 .5rem; }

        .card, .facts, .command, .empty, .narrow main > form, details.platform, details.guard[open] {
          background: var(--card); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow);
        }
        .card { overflow-x: auto; }
        .card.form { padding: 0 1.25rem 1rem; margin-top: 1.5rem; }
        .card.form h2 { margin: 1rem 0 0; }
        .empty { padding: 2rem 1.5rem; text-align: center; color: var(--soft); }
        .empty h2 { margin: 0; color: var(--text); }
        .empty .command { text-align: start; max-width: 40rem; margin-inline: auto; }

        table { border-collapse: collapse; width: 100%; }
        th, td { text-align: start; padding: .7rem 1rem; vertical-align: baseline; }
        th { font-size: .8rem; font-weight: 600; color: var(--soft); white-space: nowrap; border-bottom: 1px solid var(--line); }
        tbody tr + tr > td { border-top: 1px solid var(--line); }
        tbody tr:hover { background: color-mix(in srgb, var(--field) 60%, transparent); }
        td:first-child { font-weight: 600; }
        td:first-child code, .steps td { font-weight: 400; }
        .number { text-align: end; white-space: nowrap; font-variant-numeric: tabular-nums; }
        td time { white-space: nowrap; }
        .cell { overflow-wrap: anywhere; }
        td form { margin: 0; gap: .4rem .9rem; align-items: center; flex-wrap: nowrap; }

        code, pre { font: .875rem/1.6 ui-monospace, "SF Mono", "Cascadia Code", Menlo, "DejaVu Sans Mono", monospace; }
        .digest { color: var(--soft); white-space: nowrap; }
        .whole { overflow-wrap: anywhere; }
        pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
        .step { white-space: pre-wrap; overflow-wrap: anywhere; }
        .steps td:first-child { width: 100%; }
        .steps tbody { counter-reset: step; }
        .steps tbody tr { counter-increment: step; }
        .steps td:first-child { position: relative; padding-inline-start: 3.4rem; }
        .steps td:first-child::before { content: counter(step); position: absolute; left: 1rem; width: 1.4rem; text-align: end;
          color: var(--soft); font-variant-numeric: tabular-nums; }
        .bar { display: inline-block; width: 5rem; height: .4rem; border-radius: 99px; margin-inline-end: .75rem; vertical-align: middle; }
        .bar .whole { fill: var(--line); } .bar .part { fill: var(--accent); }
        .figure { display: inline-block; min-width: 4.2rem; }

        .command { display: flex; gap: .75rem; align-items: center; padding: .5rem .5rem .5rem 1rem; margin: .75rem 0; }
        .command pre { flex: 1; padding: .2rem 0; }
        .command pre::before { content: "$ "; color: var(--soft); }
        .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem 1.5rem; margin: 1rem 0; padding: 1rem 1.25rem; }
        .facts div:has(> dd > .whole) { grid-column: 1 / -1; }
        dt { font-size: .8rem; color: var(--soft); }
        dd { margin: .1rem 0 0; font-weight: 600; }
        dd code { font-weight: 400; overflow-wrap: anywhere; }
        .list { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .6rem 1.5rem; margin: .5rem 0; }
        .list > div { display: contents; }
        .list dt { font-size: .9rem; } .list dd { margin: 0; font-weight: 400; }
        .lines { list-style: none; margin: 0; padding: 0; }

        .badges { display: inline-flex; flex-wrap: wrap; gap: .3rem; }
        .badge { display: inline-block; font-size: .8rem; font-weight: 500; line-height: 1.4; padding: .1rem .55rem; border-radius: 99px;
          background: var(--field); border: 1px solid var(--line); color: var(--soft); }
        .badge.good { background: var(--good-back); border-color: transparent; color: var(--good); }
        .badge.bad { background: var(--bad-back); border-color: transparent; color: var(--bad); }
        .alert { padding: .75rem 1rem; border-radius: 8px; margin: 0 0 1rem; }
        .alert p { margin: 0; }
        .alert.bad { background: var(--bad-back); color: var(--bad); }
        .alert.good { background: var(--good-back); color: var(--good); }

        form { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: end; margin: 1rem 0; }
        label { display: flex; flex-direction: column; gap: .25rem; flex: 1 1 11rem; }
        label span { font-size: .875rem; color: var(--soft); }
        label.check { flex: none; flex-direction: row; align-items: center; gap: .4rem; min-height: 2.5rem; }
        label.check span { color: inherit; }
        input, button, .button { font: inherit; color: inherit; border: 1px solid var(--line); border-radius: 8px; min-height: 2.5rem; }
        input { background: var(--field); padding: .35rem .75rem; min-width: 0; }
        input[type=checkbox] { width: 1.1rem; height: 1.1rem; min-height: 0; accent-color: var(--accent); margin: 0; }
        ::placeholder { color: var(--soft); opacity: 1; }
        button, .button { background: var(--card); padding: .35rem 1rem; cursor: pointer; font-weight: 500; text-decoration: none;
          display: inline-block; white-space: nowrap; }
        button:hover { border-color: var(--soft); }
        .primary, .button { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
        .danger { border-color: var(--bad); color: var(--bad); }
        .danger:hover { background: var(--bad-back); border-color: var(--bad); }
        td button { min-height: 2.1rem; padding: .1rem .8rem; }
        .row { display: flex; flex-wrap: wrap; gap: .5rem; } .row form { margin: 0; }

        summary { cursor: pointer; border-radius: 4px; }
        details.quiet { margin: .75rem 0; } details.quiet > summary { color: var(--accent); width: fit-content; }
        details.quiet > pre { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem; margin-top: .5rem; }
        details.platform { padding: .75rem 1.25rem; margin: 1rem 0; }
        details.platform > summary { display: flex; gap: 1rem; align-items: baseline; }
        details.platform > summary h2 { margin: 0; }
        details.platform > summary h2::before { content: "▸"; display: inline-block; width: 1.4rem; color: var(--soft); }
        details.platform[open] > summary h2::before { content: "▾"; }
        details.platform .card { box-shadow: none; }
        details.guard { margin-top: 2rem; } details.guard > summary { color: var(--bad); width: fit-content; }
        details.guard[open] { border-color: var(--bad); padding: 1rem 1.25rem 0; }
        details.menu > summary { color: var(--accent); font-weight: 500; white-space: nowrap; width: fit-content; }
        .panel { display: grid; gap: .6rem; padding: .5rem 0; min-width: 14rem; justify-items: start; }
        .panel form { align-items: end; flex-wrap: wrap; }

        .split { display: grid; grid-template-columns: 12rem minmax(0, 1fr); gap: 2rem; }
        .split > div > :first-child { margin-top: 0; }
        .sections ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .15rem; }
        .sections a { display: block; padding: .4rem .8rem; border-radius: 8px; color: inherit; }
        .sections a:hover { background: var(--field); text-decoration: none; }
        .sections [aria-current] { background: var(--card); color: var(--accent); font-weight: 600; box-shadow: inset 3px 0 var(--accent); }
        .narrow main { max-width: 30rem; padding-top: 3rem; }
        .narrow h1 { font-size: 1.4rem; }
        .narrow main > form { flex-direction: column; align-items: stretch; padding: 1.5rem; }
        .narrow label { flex: none; }

        @media (max-width: 56rem) {
          .split { grid-template-columns: minmax(0, 1fr); gap: 1rem; }
          .sections ul { display: flex; flex-wrap: wrap; }
          .sections [aria-current] { box-shadow: inset 0 0 0 1px var(--line); }
        }
        @media (max-width: 44rem) {
          .inner, main { padding-inline: 1rem; }
          header form[role=search] { order: 3; flex-basis: 100%; max-width: none; }
          header nav { margin-inline-start: auto; }
          h1 { font-size: 1.4rem; }
          thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
          table, tbody, tr { display: block; }
          tr { padding: .6rem 1rem; }
          tbody tr + tr { border-top: 1px solid var(--line); }
          tbody tr + tr > td { border-top: 0; }
          td { display: flex; flex-wrap: wrap; gap: .1rem 1rem; justify-content: space-between; padding: .15rem 0; overflow-wrap: anywhere; }
          td:empty { display: none; }
          td::before { content: attr(data-label); color: var(--soft); font-weight: 400; font-size: .875rem; }
          td:first-child { display: block; font-size: 1.05rem; }
          td:first-child::before { content: none; }
          .steps td:first-child { padding-inline-start: 2.4rem; }
          .steps td:first-child::before { content: counter(step); left: 0; }
          .facts { grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); }
          details.platform { padding-inline: 1rem; }
          .number { text-align: start; }
          .bar { width: 4rem; }
          td form, .panel form { flex-wrap: wrap; }
          .command { flex-wrap: wrap; padding-inline-start: .75rem; }
          .command pre { flex-basis: 12rem; }
          .list { grid-template-columns: minmax(0, 1fr); gap: .1rem; } .list dd { margin-bottom: .6rem; }
        }
        @media (prefers-reduced-motion: no-preference) { a, button { transition: background-color .12s, border-color .12s; } }

        """
}
