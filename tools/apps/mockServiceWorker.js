// As `npx msw init` would copy it: the scope of a service worker is the folder of its script.
importScripts("node_modules/msw/lib/mockServiceWorker.js");
