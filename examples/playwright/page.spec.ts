import { expect, test } from "@playwright/test";

test("the page shows the answer that it has fetched", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByText("The answer is 42")).toBeVisible();
});
