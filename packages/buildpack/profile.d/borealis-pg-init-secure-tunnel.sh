#!/usr/bin/env bash
# Opens the secure tunnel of every Borealis Isolated Postgres add-on of the app, before the app starts, and keeps it open.
#
#   . borealis-pg-init-secure-tunnel.sh         in a start-up shell (a slug's .profile.d): exports what the app needs
#   ./borealis-pg-init-secure-tunnel.sh exec app in a Dockerfile's CMD: exports what the app needs, then becomes the app
#   ./borealis-pg-init-secure-tunnel.sh && app   in a Dockerfile's CMD: opens the tunnels, can export nothing
#
# A Cloud Native image's exec.d program calls it, too.
#
# Needs bash (3.2 or newer) and the OpenSSH client, nothing else. It never stops the app from starting: what is wrong is told
# in one sentence on stderr, and the tunnel is tried again for as long as the app runs.

# Sourced, or in front of a command: all work is done by this file as a process of its own, so that no function, variable
# or option of it is left in the app's process. What it prints are quoted export statements.
if [[ ${BASH_SOURCE[0]} != "$0" ]]; then
  eval "$(bash "${BASH_SOURCE[0]}" open-for "$$" shell || true)"
  return 0
elif [[ ${1:-} == exec && $# -gt 1 ]]; then
  eval "$(bash "$0" open-for "$$" shell || true)"
  shift
  exec "$@"
fi

set -u
umask 077
export LC_ALL=C

readonly published_host=pg-tunnel.borealis-data.com
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly self=$here/${BASH_SOURCE[0]##*/}
readonly url_rule='^(postgres(ql)?://[^@]+@)([^:]+):([0-9]+)(/.+)$'

say() { printf 'borealis-pg: %s\n' "$*" >&2; }

# --- Reading the config vars --------------------------------------------------------------------------------------------

# field INFO KEY: the value of one KEY:=value of a tunnel config var; a newline is still \n.
field() {
  local rest="|$1"
  [[ $rest == *"|$2:="* ]] || return 1
  rest=${rest#*"|$2:="}
  printf '%s' "${rest%%|*}"
}

# The names (DATABASE, …) whose tunnel config var is set, each once.
attachments() {
  compgen -e | sed -n -e 's/_SSH_TUNNEL_BPG_CONNECTION_INFO$//p' -e 's/_TUNNEL_BPG_CONN_INFO$//p' | sort -u
}

connection_info() {
  local current="$1_TUNNEL_BPG_CONN_INFO" legacy="$1_SSH_TUNNEL_BPG_CONNECTION_INFO"
  printf '%s' "${!current:-${!legacy:-}}"
}

# Sets url_host and url_port from the config var named $1; fails when it is not such a URL.
read_url() {
  [[ ${!1:-} =~ $url_rule ]] && url_host=${BASH_REMATCH[3]} url_port=${BASH_REMATCH[4]}
}

# Prints where a host name leads: loopback, elsewhere or nowhere.
where_is() {
  local host=$1 address found=nowhere
  case $host in localhost | 127.*) echo loopback && return ;; esac
  while read -r address _; do
    case $address in
      127.* | ::1) [[ $found == nowhere ]] && found=loopback ;;
      ?*) found=elsewhere ;;
    esac
  done < <(look_up "$host")
  echo "$found"
}

# A name server that does not answer must not hold up the app.
look_up() {
  command -v getent > /dev/null || return 0
  if command -v timeout > /dev/null; then timeout 3 getent ahosts "$1"; else getent ahosts "$1"; fi
}

# --- One tunnel ---------------------------------------------------------------------------------------------------------

# Makes a private directory for the files of one tunnel and prints its path.
private_directory() {
  local stem
  # Straight below a shared /tmp, where only its owner can rename it.
  for stem in ${HOME:+"$HOME/.borealis-pg/tunnel"} "${TMPDIR:-/tmp}/borealis-pg-tunnel"; do
    remove_stale "$stem"
    mkdir -p "${stem%/*}" 2> /dev/null && mktemp -d "$stem.XXXXXX" 2> /dev/null && return 0
  done
  return 1
}

# A supervisor that was killed could not remove its key.
remove_stale() {
  local pid_file
  for pid_file in "$1".*/pid; do
    [[ -O $pid_file ]] && ! kill -0 "$(cat "$pid_file")" 2> /dev/null && rm -rf "${pid_file%/pid}"
  done
  return 0
}

# Values that go into ssh's configuration must not be able to add a line to it.
is_plain() { [[ $1 =~ ^[A-Za-z0-9_.:][A-Za-z0-9_.:-]*$ ]]; }

# write_files INFO DIRECTORY FORWARD…: the key, the server's key and the configuration. Nothing of it is ever an argument.
write_files() {
  local info=$1 directory=$2 host port user host_key key forward
  shift 2
  host=$(field "$info" SSH_HOST) && user=$(field "$info" SSH_USERNAME) && key=$(field "$info" SSH_USER_PRIVATE_KEY) &&
    host_key=$(field "$info" SSH_PUBLIC_HOST_KEY) || return 1
  port=$(field "$info" SSH_PORT) || port=22
  is_plain "$host" && is_plain "$user" && [[ $port =~ ^[0-9]+$ && $host_key =~ ^[a-z0-9@.-]+\ [A-Za-z0-9+/=]+ ]] || return 1
  printf '%s\n' "${key//\\n/$'\n'}" > "$directory/key"
  # HostKeyAlias below: the line is the same whatever the port, [host]:port is not needed.
  printf '%s %s\n' "$host" "${BASH_REMATCH[0]}" > "$directory/known_hosts"
  {
    printf '%s\n' "HostName $host" "Port $port" "User $user" "HostKeyAlias $host"
    for forward in "$@"; do printf 'LocalForward 127.0.0.1:%s\n' "$forward"; done
    ssh_options
  } > "$directory/config"
}

# Relative names: ssh runs in the tunnel's directory.
ssh_options() {
  cat << 'OPTIONS'
IdentityFile key
IdentitiesOnly yes
IdentityAgent none
PreferredAuthentications publickey
BatchMode yes
UserKnownHostsFile known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
UpdateHostKeys no
ExitOnForwardFailure yes
ConnectTimeout 10
ServerAliveInterval 15
ServerAliveCountMax 3
TCPKeepAlive yes
Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com
Compression no
ControlMaster no
ControlPath none
ForwardAgent no
LogLevel ERROR
PermitLocalCommand yes
LocalCommand echo open > state
OPTIONS
}

# start NAME: opens the tunnel of one attachment in the background unless an earlier one already has its ports.
start() {
  local name=$1 info directory host writer_port forwards postgres_port writer reader
  info=$(connection_info "$name")
  [[ -n $info ]] || return 0
  if ! read_url "${name}_URL"; then
    say "${name}_URL is missing or not a PostgreSQL URL with a port, so $name gets no tunnel."
    return
  fi
  host=$url_host writer_port=$url_port
  if [[ $host != "$published_host" && $(where_is "$host") == elsewhere ]]; then
    say "${name}_URL leads to $host and not to a tunnel on this machine, so $name gets none."
    return
  fi
  case " $taken_ports " in *" $writer_port "*) return ;; esac
  postgres_port=$(field "$info" POSTGRES_PORT) || postgres_port=5432
  writer=$(field "$info" POSTGRES_WRITER_HOST) || writer=
  forwards=("$writer_port $writer:$postgres_port") ports=$writer_port
  if read_url "${name}_READONLY_URL" && [[ $url_port != "$writer_port" ]] && reader=$(field "$info" POSTGRES_READER_HOST); then
    forwards+=("$url_port $reader:$postgres_port") ports="$writer_port and $url_port"
  fi
  if ! is_plain "$writer" || ! is_plain "${reader:-$writer}" || [[ ! $postgres_port =~ ^[0-9]+$ ]]; then
    say "${name}_TUNNEL_BPG_CONN_INFO is incomplete, so $name gets no tunnel."
    return
  fi
  if ! directory=$(private_directory); then
    say "No private directory can be made in ${HOME:-/} or ${TMPDIR:-/tmp}, so $name gets no tunnel."
    return
  fi
  if ! write_files "$info" "$directory" "${forwards[@]}"; then
    rm -rf "$directory"
    say "${name}_TUNNEL_BPG_CONN_INFO is incomplete, so $name gets no tunnel."
    return
  fi
  taken_ports="$taken_ports $writer_port" names+=("$name") directories+=("$directory") open_ports+=("$ports")
  detached bash "$self" supervise "$name" "$directory" "$app"
}

# Runs a command as nobody's child in a session of its own: the app never has to wait for it, and no signal meant for the
# app's group or terminal reaches it.
detached() {
  if command -v setsid > /dev/null; then set -- setsid "$@"; fi
  ("$@" < /dev/null >&2 &)
}

# --- The supervisor of one tunnel ---------------------------------------------------------------------------------------

# supervise NAME DIRECTORY APP: keeps ssh running until the app has ended, then removes the tunnel's files.
supervise() {
  local name=$1 app=$3 pause=0.2 since=0 reason told='' ssh
  directory=$2 # not local: the trap on EXIT runs after this function
  # A dyno's SIGTERM goes to every process in it. Ignored here it is ignored by ssh too: the app may need the database to
  # the end of its last request.
  trap '' TERM INT PIPE
  app_ended=0
  trap 'app_ended=1' USR1
  cd "$directory" || return
  echo "$$" > pid
  trap 'rm -rf "$directory"' EXIT
  watch_app "$app" "$$" &
  while ((!app_ended)); do
    since=$SECONDS
    SHELL=/bin/sh ssh -F config -N tunnel < /dev/null > /dev/null 2> log &
    ssh=$!
    wait "$ssh"
    ((app_ended)) && break
    reason=$(why_closed)
    if ((SECONDS - since >= 10)); then pause=0.2 told=''; fi
    if [[ $reason != "$told" ]]; then
      say "The tunnel of $name is closed ($reason); trying again."
      told=$reason
    fi
    nap "$pause"
    pause=$(longer "$pause")
  done
  stop_ssh "$ssh"
}

# Tells the supervisor when the app is gone. Without the helper script only the one process is watched.
watch_app() {
  local folder
  for folder in "$here/../.borealis-pg" "$here/.borealis-pg" "${HOME:-}/.borealis-pg" "$here/../scripts"; do
    [[ -r $folder/server-shutdown-wait.sh ]] && break
  done
  if [[ -r $folder/server-shutdown-wait.sh ]]; then
    bash "$folder/server-shutdown-wait.sh" "$1"
  else
    while kill -0 "$1" 2> /dev/null; do sleep 1; done
  fi
  # Again until it is gone: a signal between its look at the flag and its wait would be lost.
  while kill -USR1 "$2" 2> /dev/null; do sleep 1; done
}

# The last thing ssh said, or what its silence means; also noted for those who wait for the tunnel to open.
why_closed() {
  local last
  if grep -q 'cannot listen to port' log; then
    echo taken > state
    echo 'its local port is in use, perhaps by another tunnel of the same add-on'
    return
  fi
  last=$(grep -v '^[[:space:]]*$' log | tail -n 1 | tr -cd '[:print:]' | cut -c 1-200)
  if [[ $(cat state 2> /dev/null) == open ]]; then echo 'lost' > state; fi
  echo "${last:-the connection was lost}"
}

# In the background and waited for, so that the end of the app cuts it short.
nap() {
  sleep "$1" > /dev/null 2>&1 &
  wait "$!"
}

longer() {
  case $1 in 0.2) echo 0.5 ;; 0.5) echo 1 ;; 1) echo 2 ;; *) echo 5 ;; esac
}

# SIGTERM is ignored by ssh here; SIGHUP lets it say goodbye to the server.
stop_ssh() {
  kill -HUP "$1" 2> /dev/null || return 0
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 "$1" 2> /dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$1" 2> /dev/null
}

# --- What the app needs to know -----------------------------------------------------------------------------------------

wait_until_open() {
  local seconds=${BOREALIS_PG_TUNNEL_WAIT_SECONDS:-30} deadline at state
  [[ $seconds =~ ^[0-9]{1,4}$ ]] || seconds=30
  deadline=$((SECONDS + 10#$seconds))
  for at in "${!names[@]}"; do
    while :; do
      state=$(cat "${directories[at]}/state" 2> /dev/null)
      [[ -n $state ]] && break
      if ((SECONDS >= deadline)); then
        say "The tunnel of ${names[at]} is not open after $seconds seconds; the app starts all the same and it is tried again."
        continue 2
      fi
      sleep 0.05
    done
    [[ $state == taken ]] || say "The tunnel of ${names[at]} is open on 127.0.0.1, port ${open_ports[at]}."
  done
}

# Sets ca_file: the one the operator named, or those that came with the add-ons, all in one file.
find_ca() {
  local name certificate pem=''
  ca_file=''
  if [[ -n ${BOREALIS_CA_FILE:-} && -r $BOREALIS_CA_FILE ]]; then
    ca_file=$BOREALIS_CA_FILE
    return
  fi
  for name in $(attachments); do
    certificate=$(field "$(connection_info "$name")" POSTGRES_CA_CERTIFICATE) || continue
    certificate=${certificate//\\n/$'\n'}
    [[ $pem == *"$certificate"* ]] || pem+=$certificate$'\n'
  done
  [[ -n $pem ]] || return 0
  local target
  # The home of an image may be read-only; the tunnel's own directory stays as long as the app runs.
  for target in "${HOME:-}/.borealis-pg/ca.pem" "${directories[0]}/ca.pem"; do
    # Renamed into place: another process of the app may be reading it.
    (umask 022 && printf '%s' "$pem" > "$target.$$") 2> /dev/null && mv -f "$target.$$" "$target" && ca_file=$target && return
  done
}

# True when each PostgreSQL URL in the environment leads through our tunnels: only then may a setting speak for all of them.
all_urls_are_ours() {
  local name
  [[ -z ${PGHOST:-} ]] || return 1
  for name in $(compgen -e); do
    case ${!name:-} in
      *postgres://* | *postgresql://*) is_our_url "$name" || return 1 ;;
    esac
  done
}

is_our_url() {
  read_url "$1" || return 1
  [[ $url_host == "$published_host" || $url_host == 127.0.0.1 || " $our_hosts " == *" $url_host "* ]] || return 1
  [[ " ${open_ports[*]} " == *" $url_port "* ]]
}

# export_line NAME VALUE: for a shell to evaluate, or for a Cloud Native launcher to read.
export_line() {
  if [[ $form == toml ]]; then printf '%s = %s\n' "$1" "$(toml_string "$2")"; else printf 'export %s=%q\n' "$1" "$2"; fi
}

toml_string() {
  local value=${1//\\/\\\\}
  value=${value//\"/\\\"}
  value=${value//$'\n'/\\n}
  printf '"%s"' "${value//[[:cntrl:]]/}"
}

export_ca() {
  find_ca
  [[ -n $ca_file ]] || return 0
  say "The database's certificate can be verified with sslrootcert=$ca_file."
  [[ -z ${NODE_EXTRA_CA_CERTS:-} ]] && export_line NODE_EXTRA_CA_CERTS "$ca_file"
  [[ -z ${PGSSLROOTCERT:-} ]] && all_urls_are_ours && export_line PGSSLROOTCERT "$ca_file"
}

# Where the tunnel's host name does not lead to this machine the URLs get the address itself.
export_urls() {
  local name variable told=''
  for name in $(attachments); do
    for variable in "${name}_URL" "${name}_READONLY_URL"; do
      is_our_url "$variable" && [[ " $unresolved_hosts " == *" $url_host "* ]] || continue
      if [[ -z $told ]]; then
        told=yes
        tell_unresolved "$url_host"
      fi
      [[ ${!variable} =~ $url_rule ]] && export_line "$variable" "${BASH_REMATCH[1]}127.0.0.1:${BASH_REMATCH[4]}${BASH_REMATCH[5]}"
    done
  done
}

# Remembers the host in the URL of attachment $1, and whether it leads to this machine.
note_host() {
  read_url "$1_URL" && [[ " $our_hosts " != *" $url_host "* ]] || return 0
  our_hosts+=" $url_host"
  [[ $(where_is "$url_host") == loopback ]] || unresolved_hosts+=" $url_host"
}

tell_unresolved() {
  if [[ $form != none ]]; then
    say "$1 does not resolve to 127.0.0.1 here, so 127.0.0.1 stands in the URLs instead."
  else
    say "$1 does not resolve to 127.0.0.1 here: put it into the hosts file (docker run --add-host $1:127.0.0.1), or run \"${self##*/} exec COMMAND\" instead."
  fi
}

# open_tunnels APP FORM: starts every tunnel, waits for them, prints the exports as `shell` or `toml`, or in vain (`none`).
open_tunnels() {
  local name
  app=$1 form=$2 taken_ports='' our_hosts='' unresolved_hosts='' names=() directories=() open_ports=()
  [[ -n $(attachments) ]] || return 0
  if ! command -v ssh > /dev/null; then
    say 'ssh is not installed: add the OpenSSH client (openssh-client on Debian and Ubuntu) to the image, the tunnel needs it.'
    return
  fi
  for name in $(attachments); do start "$name"; done
  ((${#names[@]} > 0)) || return 0
  # While ssh logs in: a name server may be slow.
  for name in "${names[@]}"; do note_host "$name"; done
  wait_until_open
  export_ca
  export_urls
}

case ${1:-} in
  supervise) supervise "$2" "$3" "$4" ;;
  open-for) open_tunnels "$2" "$3" ;;
  exec)
    say "Usage: ${self##*/} exec COMMAND [ARGUMENT…]"
    exit 64
    ;;
  # Executed: the app is what the parent shell runs after us.
  *) open_tunnels "$PPID" none > /dev/null ;;
esac
exit 0
