# git-hone: what the pre-push hook does where `sync.prePush` is on. Sourced by the stub with $hone (our folder in the common
# git dir), "$@" (the remote's name and address) and $hone_rc (what the hook that stood there said). It sends the notes to
# the same remote, waits for that a moment at most, never fails and never prints; standard input is left alone.
if [ -z "${GIT_HONE_OFF-}" ] && [ "${hone_rc:-0}" = 0 ]; then
	GIT_HONE_OFF=1 @PYTHON@ -I -m git_hone.hooks.sync "$hone" "$1" </dev/null >/dev/null 2>&1 || :
fi
