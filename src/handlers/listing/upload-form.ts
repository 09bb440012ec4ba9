/**
 * The form of a listing that uploads files, loaded only with `--upload-any`. It works without script; with it, files can be dropped on
 * the page, several can be chosen, and a bar shows how far each has come. The page's policy allows this script alone, by its hash.
 */
import { UPLOADS_PATH } from "../uploads/paths.ts";
import type { ListingForm } from "./listing-page.ts";

const SCRIPT = `
const form = document.querySelector("form.upload");
const [input, button, bar, said] = ["input", "button", "progress", "output"].map((name) => form.querySelector(name));
let busy = false;
input.multiple = true;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  send([...input.files]);
});
const hasFiles = (event) => [...event.dataTransfer.types].includes("Files");
const mark = (isOver) => document.body.classList.toggle("drop", isOver);
addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  mark(true);
});
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) mark(false);
});
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  mark(false);
  send([...event.dataTransfer.files]);
});
async function send(files) {
  if (busy || files.length === 0) return;
  busy = button.disabled = true;
  const problems = [];
  for (const file of files) {
    said.textContent = "Sending " + file.name;
    bar.removeAttribute("value");
    bar.hidden = false;
    const problem = await post(file);
    if (problem !== "") problems.push(file.name + ": " + problem);
  }
  busy = button.disabled = false;
  bar.hidden = true;
  said.textContent = problems.join("\\n");
  if (problems.length === 0) location.assign(form.action);
}
function post(file) {
  return new Promise((resolve) => {
    const content = new FormData();
    content.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      bar.max = total;
      bar.value = loaded;
    });
    request.addEventListener("load", () => {
      resolve(request.status === 201 ? "" : (request.response?.message ?? "The server answered " + request.status + "."));
    });
    request.addEventListener("error", () => resolve("The connection broke, or the file cannot be read."));
    request.send(content);
  });
}
`;

export const UPLOAD_FORM: ListingForm = {
  html: `<form class="upload" method="post" action="${UPLOADS_PATH}/" enctype="multipart/form-data">
<label>Upload a file <input type="file" name="file" required></label> <button>Upload</button>
<progress aria-label="Progress of the upload" hidden></progress>
<output></output>
</form>
<script>${SCRIPT}</script>
`,
  style: `form.upload { margin: 1.5rem 0 0; font-size: 1rem }
form.upload input, form.upload button { font: inherit; color: inherit; max-width: 100% }
form.upload button { background: var(--paper); border: 1px solid var(--soft); border-radius: 4px; padding: .2rem .5rem }
form.upload progress { width: 100% }
form.upload progress[hidden] { display: none }
form.upload output { display: block; white-space: pre-line; overflow-wrap: anywhere }
body.drop { outline: 3px dashed var(--link); outline-offset: 1rem }
`,
  policy: `script-src 'sha256-${new Bun.CryptoHasher("sha256").update(SCRIPT).digest("base64")}'; connect-src 'self'; form-action 'self'`,
};
