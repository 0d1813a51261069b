# shellcheck shell=bash
# Sourced by bin/compile and bin/build, which differ only in where a dyno's and an image's start-up look for the scripts.

# copy_scripts SCRIPT_DIRECTORY HELPER_DIRECTORY: puts the start-up script and its helper there, and says what they will need.
copy_scripts() {
  local here
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  echo '-----> Borealis Isolated Postgres: adding the secure tunnel'
  mkdir -p "$1" "$2"
  install -m 0755 "$here/profile.d/borealis-pg-init-secure-tunnel.sh" "$1/"
  install -m 0755 "$here/scripts/server-shutdown-wait.sh" "$2/"
  if ! command -v ssh > /dev/null; then
    echo ' !     No ssh found here: the tunnel needs the OpenSSH client where the app runs.'
  fi
}
