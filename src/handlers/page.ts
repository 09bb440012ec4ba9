/**
 * Look of the server's own pages: small, calm, readable, light or dark by the reader's preference, without script or
 * any other file. The colours are those of the sample site and of the live page.
 */

/**
 * Returns a whole page. `title` and `main` are HTML; the caller escapes names in them. `style` follows the shared
 * style and may override it.
 */
export function htmlPage(title: string, main: string, style = ""): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>
${SHARED_STYLE}${style}</style>
<main>
${main}</main>
<footer>httpserver</footer>
</html>
`;
}

/** Escapes text for the space between tags and for quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const SHARED_STYLE = `:root { --paper: #fbfaf7; --ink: #1d2a33; --soft: #52616b; --line: #dcd9d0; --link: #0b6170 }
@media (prefers-color-scheme: dark) { :root { --paper: #12181d; --ink: #e6e9ea; --soft: #a5b2ba; --line: #303c45; --link: #7fd0dc } }
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 18vh auto 0; padding: 0 1.5rem; overflow-wrap: break-word; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.5rem; font-weight: 650 }
footer { margin-top: 3rem; font-size: .85rem; color: var(--soft) }
`;
