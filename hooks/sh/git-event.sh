# git-hone: what a native git hook does. Sourced by the stub with $hone (our folder in the common git dir), $event (the
# hook's name), "$@" (its arguments) and, for post-rewrite, $hone_stdin (its input). Built-ins only: it leaves one small
# file in the inbox and starts the worker, detached. It never fails, never prints, and nothing here is fsynced.
hone_git_event() {
	[ -z "${GIT_HONE_OFF-}" ] && [ -d "$hone/inbox" ] || return 0
	hone_dir=${GIT_DIR:-.git}
	if [ -f "$hone_dir" ]; then # a linked work tree or a submodule: the file says where
		IFS= read -r hone_head <"$hone_dir" || :
		hone_dir=${hone_head#gitdir: }
	fi
	hone_head= hone_sha= hone_pick= hone_rebase=
	IFS= read -r hone_head <"$hone_dir/HEAD" || :
	case $hone_head in
	"ref: "*) [ -f "$hone/../${hone_head#ref: }" ] && IFS= read -r hone_sha <"$hone/../${hone_head#ref: }" || : ;;
	*) hone_sha=$hone_head ;;
	esac
	[ -f "$hone_dir/CHERRY_PICK_HEAD" ] && IFS= read -r hone_pick <"$hone_dir/CHERRY_PICK_HEAD" || :
	if [ -d "$hone_dir/rebase-merge" ]; then hone_rebase=merge; elif [ -d "$hone_dir/rebase-apply" ]; then hone_rebase=apply; fi
	hone_n=0
	set -C # the inbox itself is open to nobody else, so the files' own modes do not matter
	until {
		printf '%%hone 1 git %s\nroot=%s\ngit=%s\nhead=%s\nsha=%s\npick=%s\nrebase=%s\nagent=%s\nargs=%s\n%%payload\n%s\n%%end\n' \
			"$event" "$PWD" "$hone_dir" "$hone_head" "$hone_sha" "$hone_pick" "$hone_rebase" "${CLAUDECODE:+claude-code}" "$*" "${hone_stdin-}"
	} >"$hone/inbox/$$-$hone_n.ev"; do
		hone_n=$((hone_n + 1))
		[ "$hone_n" -lt 9 ] || break # a full disk, a read-only folder: the history will tell
	done
	set +C
	# a rebase in progress is drained once, at its end
	[ -n "$hone_rebase" ] && [ "$event" != post-rewrite ] && return 0
	hone_pid=
	[ -f "$hone/worker.pid" ] && IFS= read -r hone_pid <"$hone/worker.pid" || :
	[ -n "$hone_pid" ] && kill -0 "$hone_pid" && return 0 # it looks again before it ends
	GIT_HONE_OFF=1 @PYTHON@ -I -m git_hone.hooks.worker "$hone" </dev/null >/dev/null 2>&1 &
}
hone_git_event "$@" 2>/dev/null || :
