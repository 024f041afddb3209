import { parseTable } from './config-def.ts'

/** The broker keys of Kafka 4.3.1 for TLS, SASL and delegation tokens. */
export const securityConfigs = parseTable(
  `
delegation.token.expiry.check.interval.ms | long | 3600000 | R | >=1 | Time between two looks for expired delegation tokens.
delegation.token.expiry.time.ms | long | 86400000 | R | >=1 | How long a delegation token is valid before it must be renewed.
delegation.token.max.lifetime.ms | long | 604800000 | R | >=1 | How long a delegation token can be renewed.
delegation.token.secret.key | password | null | R |  | Key that signs delegation tokens; the same on all nodes.
sasl.client.callback.handler.class | class | null | R |  | Java class that answers for a SASL client.
sasl.enabled.mechanisms | list | GSSAPI | B |  | SASL mechanisms that clients may use.
sasl.jaas.config | password | null | B |  | Users and secrets of the listener's SASL mechanism.
sasl.kerberos.kinit.cmd | string | /usr/bin/kinit | B |  | Where kinit is.
sasl.kerberos.min.time.before.relogin | long | 60000 | B |  | Shortest time between two Kerberos logins.
sasl.kerberos.principal.to.local.rules | list | DEFAULT | B |  | How Kerberos principals become user names.
sasl.kerberos.service.name | string | null | B |  | Kerberos name of the brokers.
sasl.kerberos.ticket.renew.jitter | double | 0.05 | B |  | Random share added to the renewal time.
sasl.kerberos.ticket.renew.window.factor | double | 0.8 | B |  | Share of a ticket's life after which it is renewed.
sasl.login.callback.handler.class | class | null | R |  | Java class that answers for a SASL login.
sasl.login.class | class | null | R |  | Java class that logs in.
sasl.login.connect.timeout.ms | int | null | R |  | Longest wait for a connection to the identity provider.
sasl.login.read.timeout.ms | int | null | R |  | Longest wait for an answer of the identity provider.
sasl.login.refresh.buffer.seconds | short | 300 | B | 0..3600 | Life that a credential keeps when it is renewed.
sasl.login.refresh.min.period.seconds | short | 60 | B | 0..900 | Shortest time between two renewals.
sasl.login.refresh.window.factor | double | 0.8 | B | 0.5..1 | Share of a credential's life after which it is renewed.
sasl.login.refresh.window.jitter | double | 0.05 | B | 0..0.25 | Random share added to the renewal time.
sasl.login.retry.backoff.max.ms | long | 10000 | R |  | Longest wait between two tries to log in.
sasl.login.retry.backoff.ms | long | 100 | R |  | First wait between two tries to log in.
sasl.mechanism.controller.protocol | string | GSSAPI | R |  | SASL mechanism of the controllers' listener.
sasl.mechanism.inter.broker.protocol | string | GSSAPI | B |  | SASL mechanism between brokers.
sasl.oauthbearer.assertion.algorithm | string | RS256 | R | {RS256,ES256} | Signature of the client's assertion.
sasl.oauthbearer.assertion.claim.aud | string | null | R |  | Audience of the assertion.
sasl.oauthbearer.assertion.claim.exp.seconds | int | 300 | R | 0..86400 | Life of the assertion.
sasl.oauthbearer.assertion.claim.iss | string | null | R |  | Issuer of the assertion.
sasl.oauthbearer.assertion.claim.jti.include | boolean | false | R |  | Whether the assertion has an id.
sasl.oauthbearer.assertion.claim.nbf.seconds | int | 60 | R | 0..3600 | How far the assertion's validity begins in the past.
sasl.oauthbearer.assertion.claim.sub | string | null | R |  | Subject of the assertion.
sasl.oauthbearer.assertion.file | string | null | R |  | File with a ready assertion.
sasl.oauthbearer.assertion.private.key.file | string | null | R |  | File with the key that signs the assertion.
sasl.oauthbearer.assertion.private.key.passphrase | password | null | R |  | Passphrase of that file.
sasl.oauthbearer.assertion.template.file | string | null | R |  | File with further claims.
sasl.oauthbearer.client.credentials.client.id | string | null | R |  | Id for the client credentials grant.
sasl.oauthbearer.client.credentials.client.secret | password | null | R |  | Secret for the client credentials grant.
sasl.oauthbearer.clock.skew.seconds | int | 30 | R |  | Tolerated difference between clocks.
sasl.oauthbearer.expected.audience | list |  | R |  | Audiences that a token may have.
sasl.oauthbearer.expected.issuer | string | null | R |  | Issuer that a token must have.
sasl.oauthbearer.jwks.endpoint.refresh.ms | long | 3600000 | R |  | Time between two reads of the provider's keys.
sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms | long | 10000 | R |  | Longest wait between two tries to read them.
sasl.oauthbearer.jwks.endpoint.retry.backoff.ms | long | 100 | R |  | First wait between two tries to read them.
sasl.oauthbearer.jwks.endpoint.url | string | null | R |  | Where the provider's keys are.
sasl.oauthbearer.jwt.retriever.class | class | org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever | R |  | Java class that gets tokens.
sasl.oauthbearer.jwt.validator.class | class | org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator | R |  | Java class that checks tokens.
sasl.oauthbearer.scope | string | null | R |  | Scope to ask for.
sasl.oauthbearer.scope.claim.name | string | scope | R |  | Claim that holds the scope.
sasl.oauthbearer.sub.claim.name | string | sub | R |  | Claim that holds the subject.
sasl.oauthbearer.token.endpoint.url | string | null | R |  | Where tokens come from.
sasl.server.callback.handler.class | class | null | R |  | Java class that answers for a SASL server.
sasl.server.max.receive.size | int | 524288 | R |  | Largest message before a client is authenticated.
security.inter.broker.protocol | string | PLAINTEXT | R | {PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL} | Security protocol between brokers.
security.providers | string | null | R |  | Java security providers.
ssl.allow.dn.changes | boolean | false | B |  | Whether a new certificate may have another name.
ssl.allow.san.changes | boolean | false | B |  | Whether a new certificate may have other alternative names.
ssl.cipher.suites | list |  | B |  | Cipher suites; empty is all of the platform's.
ssl.client.auth | string | none | B | {required,requested,none} | Whether clients show a certificate.
ssl.enabled.protocols | list | TLSv1.2,TLSv1.3 | B |  | TLS versions.
ssl.endpoint.identification.algorithm | string | https | B |  | How a server's name is checked; empty is not at all.
ssl.engine.factory.class | class | null | B |  | Java class that makes TLS engines.
ssl.key.password | password | null | B |  | Password of the private key.
ssl.keymanager.algorithm | string | SunX509 | B |  | Algorithm of the Java key manager.
ssl.keystore.certificate.chain | password | null | B |  | Certificate chain, as PEM text.
ssl.keystore.key | password | null | B |  | Private key, as PEM text.
ssl.keystore.location | string | null | B |  | File with certificate and private key.
ssl.keystore.password | password | null | B |  | Password of that file.
ssl.keystore.type | string | JKS | B |  | Format of that file.
ssl.principal.mapping.rules | string | DEFAULT | R |  | How certificate names become user names.
ssl.protocol | string | TLSv1.3 | B |  | TLS version of new connections.
ssl.provider | string | null | B |  | Java security provider for TLS.
ssl.secure.random.implementation | string | null | B |  | Source of randomness.
ssl.trustmanager.algorithm | string | PKIX | B |  | Algorithm of the Java trust manager.
ssl.truststore.certificates | password | null | B |  | Trusted certificates, as PEM text.
ssl.truststore.location | string | null | B |  | File with trusted certificates.
ssl.truststore.password | password | null | B |  | Password of that file.
ssl.truststore.type | string | JKS | B |  | Format of that file.
`,
  'broker',
)
