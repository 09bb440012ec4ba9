/** A small shop. It keeps nothing itself: products and orders are the API's, and the state of an order comes as events. */
const message = document.querySelector("#message");

async function api(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await fetch(`/api/${path}`, { method, headers, body: JSON.stringify(body) });
  if (response.ok) return response.status === 204 ? null : await response.json();
  message.textContent = response.status === 409 ? "Sold out" : `The shop answers ${response.status}`;
  return undefined;
}

function item(text, buttons) {
  const li = document.createElement("li");
  li.append(Object.assign(document.createElement("span"), { textContent: text }));
  for (const [label, onclick] of Object.entries(buttons)) {
    li.append(" ", Object.assign(document.createElement("button"), { textContent: label, onclick }));
  }
  return li;
}

async function showProducts() {
  const products = await api("GET", "products");
  const items = products.map(({ id, name }) => item(name, { Buy: () => buy(id) }));
  document.querySelector("#products").replaceChildren(...items);
}

async function showOrders() {
  const orders = await api("GET", "orders");
  document.querySelector("#orders").replaceChildren(...orders.map(showOrder));
}

function showOrder({ id, quantity }) {
  const li = item(`Order ${id}: ${quantity}`, {
    "One more": async () => {
      const changed = await api("PUT", `orders/${id}`, { quantity: quantity + 1 });
      if (changed !== undefined) li.replaceWith(showOrder(changed));
    },
    Cancel: async () => {
      if ((await api("DELETE", `orders/${id}`)) !== undefined) await showOrders();
    },
    Track: () => track(id, li.querySelector("span")),
  });
  return li;
}

async function buy(product) {
  if ((await api("POST", "orders", { product, quantity: 1 })) !== undefined) await showOrders();
}

function track(id, into) {
  const events = new EventSource(`/api/orders/${id}/events`);
  events.onmessage = ({ data }) => {
    into.textContent = `Order ${id}: ${JSON.parse(data).state}`;
    if (JSON.parse(data).state === "delivered") events.close();
  };
}

await Promise.all([showProducts(), showOrders()]);
