import { ref } from "/node_modules/vue/dist/vue.runtime.esm-browser.prod.js";

const count = ref(6);
count.value++;
const button = document.querySelector("button");
button.textContent = count.value;
window.outcome = `${button.textContent}, ${getComputedStyle(button).color}`;
