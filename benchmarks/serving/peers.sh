#!/bin/sh
# Install the peers of the gateway's benchmark, each apart from the others and from us. Never their compromised releases.
set -eu
mkdir -p "$1"
cd "$1"
PYTHON=${PYTHON:-python3}

"$PYTHON" -m venv litellm
litellm/bin/pip install --quiet "litellm[proxy]==1.106.2"

"$PYTHON" -m venv routellm
routellm/bin/pip install --quiet torch==2.13.0
routellm/bin/pip install --quiet "routellm[serve]==0.2.0" "litellm==1.106.2" torch==2.13.0

mkdir -p portkey
cd portkey
npm install --no-audit --no-fund @portkey-ai/gateway@1.15.2
printf '#!/bin/sh\nexec node "$(dirname "$0")/node_modules/@portkey-ai/gateway/build/start-server.js" "$@"\n' > run
chmod +x run
