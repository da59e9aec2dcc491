#!/bin/sh
# Makes the secrets of this overlay below secrets/, once; nothing of it belongs into a repository.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
key=$(random) secret=$(random) parts_key=$(random) parts_secret=$(random) password=$(random)
cat > secrets/keys.env <<END
AUTH_SECRET=$(random)$(random)
S3_ACCESS_KEY=$key
S3_SECRET_KEY=$secret
S3_PARTS_ACCESS_KEY=$parts_key
S3_PARTS_SECRET_KEY=$parts_secret
END
{
	echo "password=$password"
	for name in logs models evaluations; do
		echo "$name=postgresql://tunedeck:$password@postgres:5432/$name"
	done
} > secrets/databases.env
cat > secrets/s3.json <<END
{"identities": [
  {"name": "services", "credentials": [{"accessKey": "$key", "secretKey": "$secret"}],
   "actions": ["Admin", "Read", "Write", "List"]},
  {"name": "parts", "credentials": [{"accessKey": "$parts_key", "secretKey": "$parts_secret"}],
   "actions": ["Write:models"]}
]}
END
: > secrets/tokens.toml
echo "secrets/ is made. Tokens: TOKENS_FILE=$PWD/secrets/tokens.toml make token NAME=you SCOPES=read,write"
