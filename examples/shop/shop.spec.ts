/** The shop against stubs: `stubs/` has the answers, and the journal of the server has the requests. */
import { expect, test } from "@playwright/test";

test.beforeEach(async ({ page, request }) => {
  await request.post("/__server/reset");
  await page.goto("/");
  await expect(page.getByText("Teapot")).toBeVisible();
});

const buyTeapot = "#products li:has-text('Teapot') button";

test("an order is placed, changed and cancelled", async ({ page, request }) => {
  await page.click(buyTeapot);
  await expect(page.getByText("Order 7: 1")).toBeVisible();
  await page.getByRole("button", { name: "One more" }).click();
  await expect(page.getByText("Order 7: 2")).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByText("Order 7")).toHaveCount(0);

  const verified = await request.post("/__server/requests/verify", {
    data: { match: { method: "POST", path: "/api/orders", json: { product: 1, quantity: 1 } }, count: 1 },
  });
  expect(verified.status()).toBe(200);
  const { requests } = await (await request.get("/__server/requests?path=/api/orders/7")).json();
  expect(requests.map(({ method, stub }: { method: string; stub: string }) => [method, stub])).toEqual([
    ["PUT", "api/orders/[id]/PUT.http"],
    ["DELETE", "api/orders/[id]/DELETE.http"],
  ]);
});

test("the second order is sold out", async ({ page }) => {
  await page.click(buyTeapot);
  await expect(page.getByText("Order 7: 1")).toBeVisible();
  await page.click(buyTeapot);
  await expect(page.getByText("Sold out")).toBeVisible();
});

test("an order is tracked over a stream that breaks after its first event", async ({ page, request }) => {
  await request.post("/__server/faults", {
    data: { match: { method: "GET", path: "/api/orders/7/events" }, fault: "reset", events: 1, times: 1 },
  });
  await page.click(buyTeapot);
  await page.getByRole("button", { name: "Track" }).click();
  await expect(page.getByText("Order 7: delivered")).toBeVisible({ timeout: 15_000 }); // The browser waits before it comes back.
  const { requests } = await (await request.get("/__server/requests?path=/api/orders/7/events")).json();
  const lastEventIds = requests.map(
    ({ fields }: { fields: [string, string][] }) =>
      fields.find(([name]) => name.toLowerCase() === "last-event-id")?.[1],
  );
  expect(lastEventIds).toEqual([undefined, "1"]);
});

test("an API that is away for a moment is told", async ({ page, request }) => {
  await request.post("/__server/faults", {
    data: { match: { method: "POST", path: "/api/orders" }, fault: "status", status: 503, times: 1 },
  });
  await page.click(buyTeapot);
  await expect(page.getByText("The shop answers 503")).toBeVisible();
});
