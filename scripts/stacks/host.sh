# What comes along from the host into every stack, for scripts/stack, which gives the folder $work.

# Certificates that the host trusts beyond its distribution's, its apt proxy, its pip index: files in $1.
collect_host_settings() {
  mkdir -p "$1/certificates"
  chmod -R a+rx "$work"
  own_certificates "$1/certificates"
  find "$1/certificates" -type f | sort | xargs -r cat >"$1/certificates.pem"
  apt-config dump 2>/dev/null | grep -E '^Acquire::(Check-|Retries|https?::(Proxy|Timeout))' >"$1/apt.conf" || true
  cat /etc/pip.conf >"$1/pip.conf" 2>/dev/null || true
  host_env "$1" >"$1/env"
}

own_certificates() {
  local bundle=${SSL_CERT_FILE:-${REQUESTS_CA_BUNDLE:-${CURL_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}}}
  [ -r "$bundle" ] || return 0
  find /usr/share/ca-certificates -name '*.crt' -exec cat {} + >"$work/distribution.pem" 2>/dev/null || true
  # One certificate per file, as update-ca-certificates wants them.
  awk -v out="$1" '
    /-----BEGIN CERTIFICATE-----/ { body = ""; inside = 1; next }
    /-----END CERTIFICATE-----/ {
      inside = 0
      if (FILENAME == ARGV[1]) { known[body] = 1; next }
      if (body in known) next
      known[body] = 1
      file = sprintf("%s/host-%03d.crt", out, ++count)
      print "-----BEGIN CERTIFICATE-----" > file
      for (at = 1; at <= length(body); at += 64) print substr(body, at, 64) > file
      print "-----END CERTIFICATE-----" > file
      close(file)
    }
    inside { gsub(/[ \t\r]/, ""); body = body $0 }
  ' "$work/distribution.pem" "$bundle"
}

# Many programs bring their own certificates: where the host has others, they are told of the system's.
host_env() {
  local name
  if [ -s "$1/certificates.pem" ]; then
    for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO CARGO_HTTP_CAINFO; do
      echo "$name=/etc/ssl/certs/ca-certificates.crt"
    done
  fi
  for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_DEFAULT_TIMEOUT; do
    [ -z "${!name:-}" ] || quoted "$name" "${!name}"
  done
}

# NAME="value" as a Dockerfile's ENV reads it.
quoted() {
  printf '%s="%s"\n' "$1" "$(sed 's/[\\"$]/\\&/g' <<<"$2")"
}
