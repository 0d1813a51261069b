#!/usr/bin/env bash
# server-shutdown-wait.sh PID: returns when the app has ended, so that its tunnel can outlive it.
#
# A dyno gets SIGTERM in all its processes at once. The app then finishes its requests, for which it needs the database; a
# shell that started it may be gone long before. So this waits for the process PID, then for whatever is left of its session.
set -u
trap '' TERM INT

readonly app=${1:?usage: server-shutdown-wait.sh PID}
readonly patience=60 # seconds for what a dead shell left behind; a dyno is killed for good after 30

# One sleep without a new process each time: a read that times out on a pipe nobody writes to.
if ((BASH_VERSINFO[0] >= 4)) && { exec 9<> <(:); } 2> /dev/null; then
  pause() { read -r -t 0.25 -u 9; }
else
  pause() { sleep 1; }
fi

# Sets `state`, `session` and `started` of process $1 from /proc; fails when there is none.
inspect() {
  local line fields
  { read -r line < "/proc/$1/stat"; } 2> /dev/null || return 1
  # The name, in parentheses, may hold anything: fields count from the last one.
  read -r -a fields <<< "${line##*) }"
  state=${fields[0]} session=${fields[3]} started=${fields[19]}
}

is_running() {
  if [[ ! -d /proc/self ]]; then
    kill -0 "$1" 2> /dev/null
    return
  fi
  # The number alone may belong to another process by now: the start time tells.
  inspect "$1" && [[ $state != Z && (-z ${2:-} || $started == "$2") ]]
}

# True while a process of the app's session that started after this script is alive.
has_left_overs() {
  local entry
  for entry in /proc/[0-9]*; do
    inspect "${entry#/proc/}" && [[ $state != Z && $session == "$app_session" ]] && ((started >= own_start)) && return 0
  done
  return 1
}

app_start='' app_session='' own_start=0 own_session=''
if inspect "$$"; then own_start=$started own_session=$session; fi
if inspect "$app"; then app_start=$started app_session=$session; fi

while is_running "$app" "$app_start"; do pause; done

if [[ -n $app_session && $app_session != "$own_session" ]]; then
  deadline=$((SECONDS + patience))
  while ((SECONDS < deadline)) && has_left_overs; do pause; done
fi
exit 0
