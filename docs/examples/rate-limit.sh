#!/bin/sh
# What a rate limit looks like to a client. Asks a running api (npm start) without a login until it refuses, and shows
# the refusal: `docs/examples/rate-limit.sh [http://127.0.0.1:3000]`. This address may then ask without a login again
# when the answer's Retry-After has passed; whoever is logged in is counted elsewhere.
set -eu
verify="${1:-http://127.0.0.1:3000}/api/v1/cards/verify"
ask() { curl -s -H 'content-type: application/json' -d '{"scan":"none","nonce":"n-1"}' "$@"; }

echo 'The first answer says what the limits are (q requests in w seconds) and what is left of them (r, for t seconds):'
first=$(ask -i "$verify" | tr -d '\r')
echo "$first" | grep -i -e '^http' -e '^ratelimit'
limit=$(echo "$first" | sed -n 's/.*"anonymous";q=\([0-9]*\).*/\1/p')

# curl asks once for each number and sends none of them: what follows a # stays with the client.
echo "As many as the policy \"anonymous\" allows, by status:"
ask -o /dev/null -w '%{http_code}\n' "$verify#[2-$limit]" | sort | uniq -c

echo 'One more:'
ask -i "$verify" | tr -d '\r' | grep -i -e '^http' -e '^ratelimit' -e '^retry-after' -e '^{'
