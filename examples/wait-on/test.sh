#!/bin/sh
# wait-on waits until a server in the background answers. `httpserver run` and `httpserver probe` work without it.
set -eu

./httpserver --port 8080 --root fixtures --fixture --quiet &
trap 'kill $!' EXIT
npx wait-on --interval 100 --timeout 10s http://localhost:8080/__server/ready

curl --silent --fail http://localhost:8080/answer.json
