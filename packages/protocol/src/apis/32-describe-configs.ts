import {
  api,
  array,
  boolean,
  int16,
  int32,
  int8,
  nullable,
  since,
  string,
  struct,
} from '../schema.ts'

export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: '1-4',
  flexible: '4+',
  request: {
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configurationKeys: nullable(array(string)),
      }),
    ),
    includeSynonyms: boolean,
    includeDocumentation: since('3+', boolean),
  },
  response: {
    throttleTimeMs: int32,
    results: array(
      struct({
        errorCode: int16,
        errorMessage: nullable(string),
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            value: nullable(string),
            readOnly: boolean,
            configSource: int8,
            isSensitive: boolean,
            synonyms: array(
              struct({
                name: string,
                value: nullable(string),
                source: int8,
              }),
            ),
            configType: since('3+', int8),
            documentation: since('3+', nullable(string)),
          }),
        ),
      }),
    ),
  },
})
