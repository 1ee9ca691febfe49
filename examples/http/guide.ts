/** What `GET /` answers. */
export const guide = `POST /api/sign         {"userId":1}               once a day, from 08:00 to 08:00 UTC
POST /wallet/credit    {"userId":1,"amount":"25"}  needs an Idempotency-Key
POST /wallet/withdraw  {"userId":1,"amount":"25"}  needs an Idempotency-Key
POST /tickets/buy      {"userId":1,"eventId":1}   needs an Idempotency-Key
GET  /wallet/1
GET  /health

Idempotency-Key: 1 to 128 letters, digits and "-_.:", such as a UUID; a new one for each new request, and the
same one to send a request again. Keys are a user's own, and are kept for ever here.

200  done, also when it was done before under the same key
400  an argument, the body or the key is wrong      404  no such user, wallet, event or route
409  balance too low, sold out, signed in already   422  the key came with another request before
503  busy: send the same request again after Retry-After seconds

Failures have an application/problem+json body with a "code".
`

/** Command lines to try. */
export const tryLines = (url: string) => `curl ${url}/health
curl ${url}/api/sign -H 'Content-Type: application/json' -d '{"userId":1}'
curl ${url}/wallet/credit -H 'Content-Type: application/json' -H 'Idempotency-Key: "credit-1"' -d '{"userId":1,"amount":"300"}'
curl ${url}/wallet/withdraw -H 'Content-Type: application/json' -H 'Idempotency-Key: "withdraw-1"' -d '{"userId":1,"amount":"19.99"}'
curl ${url}/tickets/buy -H 'Content-Type: application/json' -H 'Idempotency-Key: "buy-1"' -d '{"userId":1,"eventId":1}'
curl ${url}/wallet/1`
