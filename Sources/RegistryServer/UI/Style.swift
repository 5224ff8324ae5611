/// The one style sheet and the one script, served from the registry itself under names that change with their content.
package enum PageAssets {
    /// Follows the reader's light or dark setting, works at 320 pixels, keeps every text at a contrast of 4.5 or more.
    package static let style = """
        :root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--field:#f6f8fa;--link:#0550ae;\
        --bad:#a40e26;--good:#116329}
        @media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9da7b3;--line:#30363d;--field:#161b22;\
        --link:#79c0ff;--bad:#ff9492;--good:#7ee787}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,"Noto Sans CJK SC",sans-serif}
        header,main,footer{max-width:72rem;margin:0 auto;padding:1rem}
        header{display:flex;flex-wrap:wrap;gap:.75rem 1.5rem;align-items:center;border-bottom:1px solid var(--line)}
        header .name{font-weight:700;color:inherit;text-decoration:none}
        header nav{display:flex;flex-wrap:wrap;gap:1rem;margin-inline-start:auto;align-items:center}
        a{color:var(--link)} a:focus-visible,button:focus-visible,input:focus-visible,select:focus-visible{outline:3px solid \
        var(--link);outline-offset:2px}
        .skip{position:absolute;left:-99rem} .skip:focus{left:1rem;top:1rem;background:var(--back);padding:.5rem}
        h1{font-size:1.5rem;overflow-wrap:anywhere} h2{font-size:1.2rem;margin-top:2rem}
        .scroll{overflow-x:auto} table{border-collapse:collapse;width:100%} caption{text-align:start;color:var(--soft);padding:.25rem 0}
        th,td{text-align:start;padding:.45rem .75rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:top}
        code,pre{font:14px/1.5 ui-monospace,monospace} td code{overflow-wrap:anywhere}
        pre{background:var(--field);border:1px solid var(--line);padding:.75rem;overflow-x:auto}
        form{display:flex;flex-wrap:wrap;gap:.75rem;align-items:end;margin:1rem 0} td form{margin:0}
        label{display:flex;flex-direction:column;gap:.25rem} label span{color:var(--soft);font-size:.9rem}
        input,select,button{font:inherit;padding:.4rem .7rem;border:1px solid var(--line);background:var(--field);color:inherit;\
        border-radius:6px;min-height:2.6rem}
        button{cursor:pointer} .primary{border-color:var(--link);color:var(--link)} .danger{border-color:var(--bad);color:var(--bad)}
        .soft{color:var(--soft)} .bad{color:var(--bad)} .good{color:var(--good)}
        .pull{display:flex;gap:.5rem;align-items:center;flex-wrap:wrap} .pull pre{margin:0;flex:1 1 20rem}
        """

    /// Only makes better what works without it: the copy buttons, and `/` that goes to the search field.
    package static let script = """
        for(const b of document.querySelectorAll("button[data-copy]")){b.hidden=false;b.addEventListener("click",async()=>{\
        await navigator.clipboard.writeText(b.dataset.copy);const t=b.textContent;b.textContent=b.dataset.done;\
        setTimeout(()=>{b.textContent=t},1500)})}
        document.addEventListener("keydown",e=>{if(e.key==="/"&&!/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName))\
        {const s=document.querySelector("input[type=search]");if(s){e.preventDefault();s.focus()}}});
        """

    /// What pages may load: themselves only, no frame around them, forms only to this registry.
    package static let contentSecurityPolicy =
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        + "frame-ancestors 'none'"
}
