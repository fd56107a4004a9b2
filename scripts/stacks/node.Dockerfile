# Node, npm, and what packages with parts in C++ are compiled with. Node comes as a package of the npm registry,
# fetched with Debian's npm, which is left behind. `use-node NPM VERSION…` puts another Node in its place.
FROM davit/stack-base AS fetch
RUN apt-get update && apt-get install -y --no-install-recommends nodejs npm
RUN case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac \
 && npm install --global --prefix /fetched --no-audit --no-fund --loglevel=error "node-linux-$arch@24" npm@11 \
 && rm -f /fetched/lib/node_modules/npm/npmrc \
 && ln -s "node_modules/node-linux-$arch" /fetched/lib/node

# In the very words of python.Dockerfile: the two share this layer.
FROM davit/stack-base
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc g++ make pkg-config python3 libatomic1 git curl media-types \
 && rm -rf /var/lib/apt/lists/*
RUN install -d -o app -g app /var/cache/npm
COPY --from=fetch /fetched/ /usr/local/
RUN printf '%s\n' '#!/bin/sh' \
      '# use-node NPM VERSION…: the first of these versions that the registry has, with an npm that suits it.' \
      'case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac' \
      'npm=$1 && shift' \
      'for version; do' \
      '  if npm install --global --prefix /usr/local/new "$npm" "node-linux-$arch@$version" >/tmp/use-node 2>&1; then' \
      '    rm -r /usr/local/lib/node_modules /tmp/use-node && mv /usr/local/new/lib/node_modules /usr/local/lib/' \
      '    rm -r /usr/local/new /root/.npm && echo "Node $(node --version)" && exit' \
      '  fi' \
      '  echo "Node $version cannot be had" >&2' \
      'done' \
      'tail -n 5 /tmp/use-node >&2' \
      'exit 1' >/usr/local/bin/use-node \
 && chmod 755 /usr/local/bin/use-node
# node-gyp takes the headers that came with Node, and does not download them. npm would take Node's own folder for its prefix.
ENV NPM_CONFIG_PREFIX=/usr/local \
    npm_package_config_node_gyp_nodedir=/usr/local/lib/node \
    NPM_CONFIG_AUDIT=false \
    NPM_CONFIG_FUND=false \
    NPM_CONFIG_UPDATE_NOTIFIER=false
CMD ["/bin/bash"]
