#!/bin/bash
# Installs Davit on this host, or brings what is installed up to this checkout. Run again at any time: what is done
# is left alone. Debian 12 and 13; Ubuntu 22.04 and 24.04 are written for and untested.
set -Eeuo pipefail

source=$(dirname -- "$(readlink -f -- "$0")")
programs=/opt/davit
data=/var/lib/davit
log=/var/log/davit.log
settings=/etc/davit/settings
sockets=(davit-http.socket davit-https.socket davit-ssh.socket)
units=("${sockets[@]}" davit-proxy.service davit.service)

domain=
given_domain=
ssh_port=
http_port=
https_port=
key=
step=
demo_folder=

main() {
  local action=install demo= purge= force_os=
  while [ $# -gt 0 ]; do
    case $1 in
      --domain | --key | --ssh-port | --http-port | --https-port)
        [ $# -gt 1 ] || fail "$1 needs a value." 'See: ./install.sh --help'
        take "${1#--}" "$2"
        shift
        ;;
      --domain=* | --key=* | --ssh-port=* | --http-port=* | --https-port=*) take "$(cut -d= -f1 <<<"${1#--}")" "${1#*=}" ;;
      --demo) demo=yes ;;
      --uninstall) action=uninstall ;;
      --purge) purge=yes ;;
      --force-os) force_os=yes ;;
      -h | --help) usage && exit ;;
      *) fail "$1 is not an option of install.sh." 'See: ./install.sh --help' ;;
    esac
    shift
  done
  [ "$(id -u)" = 0 ] || fail 'install.sh needs root.' "Run: sudo $source/install.sh"
  exec </dev/null # nothing here asks, and nothing reads what was meant for others
  trap ended EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  if [ "$action" = uninstall ]; then
    uninstall
    return
  fi
  [ -z "$purge" ] || fail '--purge goes with --uninstall.' 'See: ./install.sh --help'
  step 'the system' check_system
  step 'the settings' choose_settings
  step 'the ports' check_ports
  step 'the program' copy_program
  step 'packages, libraries, engine and stacks' prepare_program
  step 'the engine' keep_apps_alive
  step 'users' make_users
  step 'folders' make_folders
  step 'the program, compiled' compile_program
  step 'the settings' write_settings
  step 'the switch to this version' switch_program
  step 'the start' start
  step 'the domain' settle_domain
  step 'keys' add_keys
  step=
  remove_old_programs
  say_what_next
  [ -z "$demo" ] || step 'the demo' run_demo
}

usage() {
  cat <<'END'
./install.sh [options]
  Installs Davit on this host (Debian 12 or 13), or brings it up to this checkout.

  --domain NAME        apps get hostnames before it: APP.NAME; the first start counts (default: hostname -f)
  --key FILE|"LINE"    a public key that may come in (default: the plain keys in your own authorized_keys)
  --ssh-port N         2222 unless given
  --http-port N        80 unless given
  --https-port N       443 unless given
  --demo               afterwards create an app, push it and fetch its page, showing each step
  --uninstall          stop Davit and remove its program; data and apps' containers stay as they are
  --uninstall --purge  remove data, apps' containers, images, networks, volumes and users too
  --force-os           go on on a system that is not known to work
END
}

take() {
  case $1 in
    domain) domain=${2,,} given_domain=$domain ;;
    key) key=$2 ;;
    ssh-port) is_port "$@" && ssh_port=$2 ;;
    http-port) is_port "$@" && http_port=$2 ;;
    https-port) is_port "$@" && https_port=$2 ;;
  esac
}

is_port() {
  [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] && [ "$2" -le 65535 ] || fail "--$1 is a port, not $2." "For example: --$1 2222"
}

# -------------------------------------------------------------------------------------------------- the system

check_system() {
  local ID=unknown VERSION_ID=unknown PRETTY_NAME='this system'
  # shellcheck disable=SC1091
  [ ! -r /etc/os-release ] || . /etc/os-release
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) fail "Davit runs on x86_64 and aarch64, not on $(uname -m)." 'There is no way around it.' ;;
  esac
  case $ID-$VERSION_ID in
    debian-12 | debian-13) ;;
    ubuntu-22.04 | ubuntu-24.04) say "$PRETTY_NAME is written for, but untested" ;;
    *)
      [ -n "$force_os" ] || fail "Davit is made for Debian 12 and 13, not for $PRETTY_NAME." 'To try all the same: --force-os'
      say "$PRETTY_NAME is not known to work; going on as you said"
      ;;
  esac
}

# Flags first, then what an earlier install wrote, then the defaults.
choose_settings() {
  domain=${domain:-$(setting DAVIT_DOMAIN)}
  domain=${domain:-$(own_name)}
  [[ $domain =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$ ]] ||
    fail "$domain is not a hostname." 'Name one with: --domain apps.example.com'
  ssh_port=${ssh_port:-$(port_in DAVIT_SSH_LISTEN)} && ssh_port=${ssh_port:-2222}
  http_port=${http_port:-$(port_in DAVIT_HTTP_LISTEN)} && http_port=${http_port:-80}
  https_port=${https_port:-$(port_in DAVIT_HTTPS_LISTEN)} && https_port=${https_port:-443}
  [ "$ssh_port" != "$http_port" ] && [ "$ssh_port" != "$https_port" ] && [ "$http_port" != "$https_port" ] ||
    fail "SSH, HTTP and HTTPS cannot share a port: $ssh_port, $http_port, $https_port." 'Choose others with: --ssh-port, --http-port, --https-port'
  [ -z "$key" ] || ssh-keygen -lf - <<<"$(given_key)" >/dev/null 2>&1 || ! have ssh-keygen ||
    fail "This is not a public key: $key" 'Name one with: --key ~/.ssh/id_ed25519.pub'
}

given_key() {
  if [ -f "$key" ]; then cat -- "$key"; else echo "$key"; fi
}

own_name() {
  local name
  name=$(hostname -f 2>/dev/null) || name=$(hostname 2>/dev/null) || name=localhost
  echo "${name,,}"
}

setting() {
  sed -n "s/^$1=//p" "$settings" 2>/dev/null || true
}

port_in() {
  local listen
  listen=$(setting "$1")
  echo "${listen##*:}"
}

check_ports() {
  check_port ssh-port "$ssh_port"
  check_port http-port "$http_port"
  check_port https-port "$https_port"
}

# Davit's own sockets, and those that systemd holds for it, are no obstacle.
check_port() {
  local inode pid holder
  if with_systemd && systemctl show --property Listen --value "${sockets[@]}" 2>/dev/null | grep -q ":$2 "; then return 0; fi
  inode=$(awk -v port="$(printf ':%04X' "$2")" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null) || true
  [ -n "$inode" ] || return 0
  pid=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null | head -n 1 | cut -d/ -f3) || true
  holder=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || true
  [[ $holder != *"$programs/"*/src/main.ts* ]] || return 0
  holder=$(cat "/proc/$pid/comm" 2>/dev/null) || true
  fail "Port $2 is in use by ${holder:-another program}${pid:+ (process $pid)}." "Stop that, or choose another port with: --$1 N"
}

# ------------------------------------------------------------------------------------------------- the program

# A version is named after what is in it too, so that no folder that runs is ever written to.
copy_program() {
  version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$source/package.json")+$(packed | sha256sum | cut -c 1-8)
  program=$programs/$version
  [ ! -d "$program" ] || return 0
  say "Copying Davit $version to $program"
  rm -rf "$programs/.incoming"
  install -d -m 755 "$programs" "$programs/.incoming"
  packed | tar -xf - -C "$programs/.incoming" --no-same-owner
  mv -T "$programs/.incoming" "$program"
}

packed() {
  tar -C "$source" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r-w,a+X \
    --exclude=./.git --exclude=./.ci --exclude=./.tap --exclude=./.davit --exclude=./node_modules --exclude=./test -cf - .
}

prepare_program() {
  (umask 022 && "$program/scripts/prepare" --production)
}

# With live-restore, apps outlive a restart of the engine. A configuration that says anything about it is left alone.
keep_apps_alive() {
  local file=/etc/docker/daemon.json changed
  if grep -qs -- --live-restore /proc/[0-9]*/cmdline || [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" = active ]; then return 0; fi
  install -d -m 755 /etc/docker
  changed=$("$program"/node_modules/node-linux-*/bin/node -e '
    const { readFileSync, writeFileSync, renameSync } = require("node:fs")
    const [file] = process.argv.slice(1)
    let text = "{}"
    try { text = readFileSync(file, "utf8") } catch (error) { if (error.code !== "ENOENT") throw error }
    const config = JSON.parse(text.trim() || "{}")
    if ("live-restore" in config) process.exit(0)
    writeFileSync(`${file}.davit`, `${JSON.stringify({ ...config, "live-restore": true }, null, 2)}\n`)
    renameSync(`${file}.davit`, file)
    console.log("changed")
  ' "$file" 2>/dev/null) || fail "$file is not JSON." 'Put it right, then run install.sh again.'
  [ -n "$changed" ] || return 0
  say 'Apps go on while the engine restarts (live-restore)'
  if with_systemd; then systemctl reload docker; else kill -HUP "$(cat /var/run/docker.pid)"; fi
}

# --------------------------------------------------------------------------------------------- users and places

make_users() {
  local user
  for user in davit davit-proxy davit-plugin; do
    id "$user" >/dev/null 2>&1 || useradd --system --user-group --home-dir "$data" --no-create-home --shell /usr/sbin/nologin "$user"
  done
  # Executable plugins run as davit-plugin: what they share with the daemon is its group's.
  usermod --append --groups davit-plugin davit
  usermod --append --groups "$(stat -c %G "$(readlink -f /var/run/docker.sock)")" davit
}

# Everybody may pass through the data folder, nobody but the daemon may list it: the proxy has a folder of its own
# in it, where new files take the daemon's group, so that the daemon reaches the proxy's socket.
make_folders() {
  install -d -m 711 -o davit -g davit "$data"
  install -d -m 2750 -o davit-proxy -g davit "$data/proxy"
  install -d -m 2750 -o davit -g davit-proxy "$data/handlers"
  install -d -m 755 -o davit -g davit /run/davit
  install -d -m 755 /etc/davit
  [ -e "$log" ] || install -m 640 -g adm /dev/null "$log"
}

# For each user that runs it, and then root's: what is there is what runs. Processes that find themselves compiled start sooner, and
# do without the compiler, which would hold some 20 MB of each.
compile_program() {
  local user cache
  for user in davit davit-proxy; do
    cache=$program/node_modules/.cache/davit/$user
    [ ! -d "$cache" ] || continue
    rm -rf "$cache.new"
    install -d -m 755 "${cache%/*}"
    install -d -m 755 -o "$user" -g "$user" "$cache.new"
    (cd / && setpriv --reuid="$user" --regid="$user" --clear-groups -- \
      env NODE_COMPILE_CACHE="$cache.new" "$program/scripts/davit" compile)
    chown -R root:root "$cache.new"
    chmod -R a+rX "$cache.new" # Node lets nobody but the owner read
    mv -T "$cache.new" "$cache"
  done
}

write_settings() {
  {
    cat <<END
# Written by install.sh, which keeps what it finds here unless a flag says otherwise.
DAVIT_DOMAIN=$domain
DAVIT_SSH_LISTEN=[::]:$ssh_port
DAVIT_HTTP_LISTEN=[::]:$http_port
DAVIT_HTTPS_LISTEN=[::]:$https_port
END
    other_settings
    grep -qs '^DAVIT_METRICS_LISTEN=' "$settings" || echo DAVIT_METRICS_LISTEN=127.0.0.1:9909
  } >"$settings.new"
  chmod 644 "$settings.new"
  mv "$settings.new" "$settings"
}

# What an admin wrote there by hand, as DAVIT_ALLOW_LOCAL.
other_settings() {
  grep -vE '^(#|$|DAVIT_(DOMAIN|SSH_LISTEN|HTTP_LISTEN|HTTPS_LISTEN)=)' "$settings" 2>/dev/null || true
}

# The link changes in one instant: there is always a whole Davit behind it.
switch_program() {
  ln -sfn "$program" "$programs/current.new"
  mv -T "$programs/current.new" "$programs/current"
  ln -sfn "$programs/current/scripts/davit" /usr/local/bin/davit.new
  mv -T /usr/local/bin/davit.new /usr/local/bin/davit
}

remove_old_programs() {
  # The one before stays, for a way back.
  find "$programs" -mindepth 1 -maxdepth 1 -type d ! -path "$program" -printf '%T@ %p\n' | sort -rn | tail -n +2 | cut -d' ' -f2- |
    while read -r old; do rm -rf -- "$old"; done
}

# --------------------------------------------------------------------------------------------- start and stop

start() {
  if with_systemd; then start_units; else start_by_hand; fi
  wait_until_ready
}

start_units() {
  local unit changed=
  for unit in "${units[@]}"; do
    cmp -s "$program/scripts/systemd/$unit" "/etc/systemd/system/$unit" && continue
    install -m 644 "$program/scripts/systemd/$unit" "/etc/systemd/system/$unit"
    changed="$changed $unit"
  done
  ! listen_on davit-http.socket "$http_port" || changed="$changed davit-http.socket"
  ! listen_on davit-https.socket "$https_port" || changed="$changed davit-https.socket"
  ! listen_on davit-ssh.socket "$ssh_port" || changed="$changed davit-ssh.socket"
  systemctl daemon-reload
  systemctl enable --quiet "${units[@]}"
  if [[ $changed == *.socket* ]]; then
    systemctl stop --quiet "${units[@]}"
  elif [ "$(running)" = "$(wanted)" ] && [ -z "$changed" ] && systemctl is-active --quiet "${units[@]}"; then
    return 0
  fi
  say 'Starting Davit'
  systemctl start "${sockets[@]}"
  replace_proxy "$changed" || systemctl restart davit-proxy.service
  systemctl restart davit.service
  wanted >"$programs/.running"
}

# By the daemon that is there, which speaks to the proxy that is there: the new one comes up beside that, with its settings, and no
# connection is refused or cut. False where the proxy is to be started anew. One that does not come up takes nobody's place.
replace_proxy() {
  local said
  [[ $1 != *davit-proxy.service* ]] && [ "$(running | tail -n +2)" = "$(wanted | tail -n +2)" ] || return 1
  systemctl is-active --quiet davit-proxy.service && systemctl is-active --quiet davit.service || return 1
  if said=$(davit proxy:upgrade 2>&1); then
    say "$said"
    return 0
  fi
  if [[ $said == *'The proxy is the one before'* ]]; then
    program=$(running | head -n 1)
    switch_program
    echo "$said" >&2
    fail "The proxy of Davit $version does not come up. The version before serves on." \
      'To start it anew all the same: systemctl stop davit-proxy, and run install.sh again.'
  fi
  say 'The proxy cannot be replaced while it serves, so it starts anew'
  return 1
}

# Another port than the unit's own is a drop-in. True when something changed.
listen_on() {
  local folder=/etc/systemd/system/$1.d
  local file=$folder/listen.conf
  local text=$'[Socket]\nListenStream=\nListenStream='$2
  if grep -q "^ListenStream=$2\$" "$program/scripts/systemd/$1"; then
    [ -e "$file" ] || return 1
    rm -rf "$folder"
  else
    [ "$(cat "$file" 2>/dev/null)" != "$text" ] || return 1
    install -d -m 755 "$folder"
    echo "$text" >"$file"
  fi
}

# What runs, and what ought to: the version and its settings.
running() { cat "$programs/.running" 2>/dev/null || true; }
wanted() { echo "$program" && cat "$settings"; }

start_by_hand() {
  local environment
  if [ -n "$(supervisor)" ]; then
    [ "$(running)" != "$(wanted)" ] || return 0
    stop_by_hand
  fi
  say "Starting Davit, its log is $log"
  rm -f "$programs/.running"
  mapfile -t environment < <(grep -v '^#' "$settings")
  (cd / && exec setsid env "${environment[@]}" "$programs/current/scripts/davit" up --user davit --proxy-user davit-proxy \
    >>"$log" 2>&1 </dev/null) &
  wanted >"$programs/.running"
}

# The process that `davit up` wrote down, if it is still that one.
supervisor() {
  local pid
  read -r pid _ 2>/dev/null <"$data/up.pid" || return 0
  ! tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q 'src/main.ts up ' || echo "$pid"
}

stop_by_hand() {
  local pid
  pid=$(supervisor)
  [ -n "$pid" ] || return 0
  say 'Stopping Davit'
  kill -TERM "$pid"
  for _ in $(seq 500); do
    [ -n "$(supervisor)" ] || return 0
    sleep 0.1
  done
  fail "Davit (process $pid) does not end." "End it with: kill -KILL $pid"
}

wait_until_ready() {
  for _ in $(seq 150); do
    if davit version >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  if with_systemd; then journalctl -u davit -u davit-proxy -n 20 --no-pager -o cat >&2; else tail -n 20 "$log" >&2; fi
  fail 'Davit does not answer.' 'The lines above are the last of its log.'
}

# What a person set since the first start counts, unless --domain says otherwise now.
settle_domain() {
  local now
  now=$(davit domains:report --global --domains-global-vhosts) || return 0
  if [ -n "$given_domain" ] && [ "$now" != "$given_domain" ]; then
    say "Apps are found under $given_domain from now on (before: ${now:-nothing})"
    davit domains:set-global "$given_domain" >/dev/null
    now=$given_domain
  fi
  domain=${now%% *}
  domain=${domain:-$(own_name)}
}

# -------------------------------------------------------------------------------------------------------- keys

# Your own only while there are none, so that a key that was taken away stays away. And only plain ones: a key with
# options in front (a forced command, say) was given less than the whole host.
add_keys() {
  local person=${SUDO_USER:-root} known
  known=$(davit ssh-keys:list --format json 2>/dev/null) || known=
  if [ -n "$key" ]; then
    given_key | add_each "$person" "$known"
  elif [[ $known != *SHA256:* ]]; then
    (grep -E '^(ssh-|ecdsa-)' "$(getent passwd "$person" | cut -d: -f6)/.ssh/authorized_keys" 2>/dev/null || true) | add_each "$person" "$known"
  fi
}

# A key is called what its comment says, or else after the person.
add_each() {
  local person=$1 known=$2 line comment name fingerprint number
  while read -r line; do
    fingerprint=$(ssh-keygen -lf - <<<"$line" 2>/dev/null | cut -d' ' -f2) || continue
    [[ $known != *"$fingerprint"* ]] || continue
    read -r _ _ comment <<<"$line"
    [[ $comment =~ ^[A-Za-z0-9][A-Za-z0-9@._+-]{0,59}$ ]] || comment=$person
    name=$comment number=2
    while [[ $known == *"\"$name\""* ]]; do name=$comment-$((number++)); done
    davit ssh-keys:add "$name" - <<<"$line" >/dev/null
    known="$known \"$name\" $fingerprint"
    say "The key $fingerprint may come in, as $name"
  done
}

has_keys() {
  davit ssh-keys:list >/dev/null 2>&1
}

# --------------------------------------------------------------------------------------------------- afterwards

say_what_next() {
  local suffix=
  [ "$http_port" = 80 ] || suffix=:$http_port
  cat <<END

=====> Davit $version is up

       On your own machine, put this into ~/.ssh/config:

           Host davit
             HostName $(own_name)
             Port $ssh_port
             User davit
             ControlMaster auto
             ControlPath ~/.ssh/davit-%C
             ControlPersist 10m

       Then, in the repository of an app:

           ssh davit apps:create hello
           git remote add davit davit:hello
           git push davit main

       and it is at http://hello.$domain$suffix, when *.$domain leads to this host.
       At the first connection ssh asks about this host's key: $(host_key)
END
  if ! has_keys; then
    echo
    echo '       Nobody can come in yet. Let your own key in first, here on the host:'
    echo
    echo '           davit ssh-keys:add me < me.pub'
  fi
  if with_systemd; then return 0; fi
  echo
  echo '       There is no systemd here, so nothing starts Davit when this machine starts. This does:'
  echo
  echo "           $source/install.sh"
}

host_key() {
  local file
  for file in "$data"/ssh/ssh_host_*_key; do
    ssh-keygen -lf "$file" 2>/dev/null | cut -d' ' -f2
  done
}

# ---------------------------------------------------------------------------------------------------- the demo

demo_app=davit-demo

# With a key made for it, which goes afterwards; the app stays, to be looked at.
run_demo() {
  have curl || DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends curl >/dev/null 2>&1 ||
    fail 'curl is missing, and could not be installed.' 'Install it: apt-get install curl'
  demo_folder=$(mktemp -d)
  ssh-keygen -q -t ed25519 -N '' -C davit-demo -f "$demo_folder/key"
  davit ssh-keys:add "demo-${demo_folder##*.}" - <"$demo_folder/key.pub" >/dev/null
  cat >"$demo_folder/ssh_config" <<END
Host davit
  HostName 127.0.0.1
  Port $ssh_port
  User davit
  IdentityFile $demo_folder/key
  IdentitiesOnly yes
  UserKnownHostsFile $demo_folder/known_hosts
  StrictHostKeyChecking accept-new
  LogLevel ERROR
END
  export GIT_SSH_COMMAND="ssh -F $demo_folder/ssh_config"
  cp -R "$source/test/fixtures/apps/flask-gunicorn" "$demo_folder/app"
  cd "$demo_folder/app"

  echo
  echo '=====> A demo: an app, pushed and fetched'
  echo
  if davit apps:exists "$demo_app" >/dev/null 2>&1; then show ssh davit apps:destroy "$demo_app" --force; fi
  show ssh davit apps:create "$demo_app"
  show git init --quiet --initial-branch main
  show git add --all
  show git -c user.name=Demo -c user.email=demo@localhost commit --quiet --message 'A first version'
  show git remote add davit "davit:$demo_app"
  show git push davit main
  show curl --silent --show-error --fail --include --resolve "$demo_app.$domain:$http_port:127.0.0.1" \
    "http://$demo_app.$domain:$http_port/version"
  show ssh davit ps:report "$demo_app"
  cat <<END

       It stays at http://$demo_app.$domain:$http_port/ until you remove it:

           davit apps:destroy $demo_app --force
END
}

# Prints the command as a person would type it, and runs it with the demo's own key.
show() {
  echo "\$ $(for word in "$@"; do [[ $word == *' '* ]] && printf "'%s' " "$word" || printf '%s ' "$word"; done)"
  if [ "$1" = ssh ]; then
    shift
    ssh -F "$demo_folder/ssh_config" "$@"
  else
    "$@"
  fi
  echo
}

end_demo() {
  davit ssh-keys:remove --force "demo-${demo_folder##*.}" >/dev/null 2>&1 || true
  rm -rf -- "$demo_folder"
}

# --------------------------------------------------------------------------------------------------- uninstall

uninstall() {
  step 'the stop' stop_all
  step 'the program' remove_program
  if [ -n "$purge" ]; then
    step 'what apps left' remove_apps
    step 'data and users' remove_data
    step=
    say 'Davit is gone, and all that it held'
    return
  fi
  step=
  say 'Davit is gone'
  cat <<END
       Its data is still in $data, and the apps' containers go on, though nothing leads to them.
       ./install.sh takes them up again. To remove them too: ./install.sh --uninstall --purge
END
}

stop_all() {
  if with_systemd; then
    systemctl disable --now --quiet "${units[@]}" 2>/dev/null || true
  fi
  stop_by_hand
}

remove_program() {
  local unit
  for unit in "${units[@]}"; do rm -rf "/etc/systemd/system/$unit" "/etc/systemd/system/$unit.d"; done
  if with_systemd; then systemctl daemon-reload; fi
  rm -rf /usr/local/bin/davit "$programs" /run/davit
}

remove_apps() {
  local mine=label=com.davit.instance=davit
  if ! docker version >/dev/null 2>&1; then
    say 'The engine does not answer, so the containers of apps stay'
    return
  fi
  remove 'docker rm --force --volumes' "$(docker ps --all --quiet --filter "$mine")"
  remove 'docker network rm' "$(docker network ls --quiet --filter "$mine")"
  remove 'docker volume rm --force' "$(docker volume ls --quiet --filter "$mine")"
  remove 'docker image rm --force' "$(docker image ls --format '{{.Repository}}:{{.Tag}}' --filter 'reference=davit-app/davit/*')"
  remove 'docker image rm --force' "$(docker image ls --quiet --filter "$mine" --filter dangling=true)"
  local others
  others=$(other_instances)
  if [ -n "$others" ]; then
    say "The stacks stay: on this engine another Davit has apps ($others)"
    return
  fi
  remove 'docker image rm --force' "$(docker image ls --format '{{.Repository}}:{{.Tag}}' --filter 'reference=davit/stack-*')"
}

# By what they have on the engine: their apps' next push builds on the same stacks.
other_instances() {
  local labelled=(--filter label=com.davit.instance --format '{{.Label "com.davit.instance"}}')
  {
    docker ps --all "${labelled[@]}"
    docker network ls "${labelled[@]}"
    docker volume ls "${labelled[@]}"
    docker image ls --filter 'reference=davit-app/*/*' --format '{{.Repository}}' | cut -d/ -f2
  } | sort -u | sed '/^davit$/d' | paste -sd' '
}

remove() {
  # shellcheck disable=SC2086
  [ -z "$2" ] || $1 $2 >/dev/null
}

remove_data() {
  rm -rf -- "$data" /etc/davit "$log"
  for user in davit davit-proxy davit-plugin; do
    ! id "$user" >/dev/null 2>&1 || userdel "$user"
  done
}

# ------------------------------------------------------------------------------------------------------- words

step() {
  step=$1
  "$2"
}

ended() {
  local code=$?
  [ -z "$demo_folder" ] || end_demo
  [ "$code" = 0 ] || [ -z "$step" ] ||
    echo " !     It stopped at: $step. Run install.sh again when that is put right; it goes on from there." >&2
}

have() { command -v "$1" >/dev/null 2>&1; }
with_systemd() { [ -d /run/systemd/system ]; }
say() { echo "-----> $1"; }

fail() {
  echo " !     $1" >&2
  echo "       $2" >&2
  exit 1
}

main "$@"
