/**
 * How the server's own pages look: small, calm, readable, light or dark as the reader likes it, without script or any
 * other file.
 */

/**
 * A whole page. `title` and `body` are HTML already: whoever puts a name in them escapes it. `style` is added behind the shared
 * one, so it may change it.
 */
export function htmlPage(title: string, body: string, style = ""): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>
${SHARED_STYLE}${style}</style>
${body}<footer>httpserver</footer>
</html>
`;
}

/** For text between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const SHARED_STYLE = `body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 18vh auto 0; padding: 0 1.5rem; color: #222; background: #fff }
h1 { font-size: 1.5rem; font-weight: 600 }
footer { margin-top: 3rem; font-size: .85rem; color: #666 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } footer { color: #999 } }
`;
