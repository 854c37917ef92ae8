// An authorization server that is not ours, oauth2-mock-server, and in front of it a FHIR server that believes its tokens.
//
// Prints its port, then serves until its standard input ends (so it never outlives the test that started it).
//   GET  /fhir/.well-known/smart-configuration, POST /token    oauth2-mock-server, as it is but for the fault
//   GET  /fhir/Patient    200 for a token that its present key signed and that has not ended, else 401
//   POST /_fault          what goes wrong from now on, {} for nothing: { status, body } in place of its answer, { change }
//                         in its answer, { claims } in its tokens, { headers } added, { text } or { hang_up } in its place
//   POST /_rotate         it signs with a new key, and no token of the old one is believed
//   GET  /_asked          the form of each request for a token that reached it

import { createServer } from 'node:http';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { OAuth2Server } from 'oauth2-mock-server';

const asked = [];
let fault = {};
let authority;

async function rotate() {
  const made = new OAuth2Server(undefined, undefined, {
    endpoints: { wellKnownDocument: '/fhir/.well-known/smart-configuration' },
  });
  await made.issuer.keys.generate('RS256');
  made.issuer.url = `http://127.0.0.1:${server.address().port}`;
  made.service.on('beforeTokenSigning', (token) => Object.assign(token.payload, fault.claims));
  made.service.on('beforeResponse', (answer, request) => {
    asked.push(request.body);
    answer.statusCode = fault.status ?? answer.statusCode;
    answer.body = fault.body ?? { ...answer.body, ...fault.change };
    if (answer.body.error) {
      answer.body.error_description = `${request.body.client_assertion} is of no use`;
    }
  });
  authority = made;
}

/** Whether the bearer's token is the authority's, now. */
async function known(request) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const keys = createLocalJWKSet({ keys: authority.issuer.keys.toJSON() });
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: authority.issuer.url });
    return payload.scope?.split(' ').includes('system/*.read');
  } catch {
    return false;
  }
}

async function text(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function say(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

const server = createServer(async (request, response) => {
  if (request.url === '/_fault') {
    fault = JSON.parse(await text(request));
    say(response, 200, {});
  } else if (request.url === '/_rotate') {
    await rotate();
    say(response, 200, {});
  } else if (request.url === '/_asked') {
    say(response, 200, asked.splice(0));
  } else if (request.url === '/fhir/Patient') {
    const [status, resourceType] = (await known(request)) ? [200, 'Bundle'] : [401, 'OperationOutcome'];
    say(response, status, { resourceType });
  } else if (request.url === '/token' && fault.hang_up) {
    request.socket.destroy();
  } else if (request.url === '/token' && fault.text) {
    response.writeHead(200, { 'Content-Type': 'text/html' });
    response.end(fault.text);
  } else {
    Object.entries(fault.headers ?? {}).forEach((one) => response.setHeader(...one));
    authority.service.requestHandler(request, response);
  }
});

server.listen(0, '127.0.0.1', async () => {
  await rotate();
  console.log(server.address().port);
});
process.stdin.on('end', () => process.exit(0)).resume();
