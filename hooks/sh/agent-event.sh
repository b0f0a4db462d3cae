# git-hone: one event of a coding agent, on standard input. Sourced with $h (this file's path) and $HONE_AGENT.
# It files the payload, the blob of the file that the tool is about to touch or has touched, or, for a shell tool, a tree of
# the work tree. It prints nothing, always exits 0 and starts nothing: the next commit or command drains what it leaves.
hone_agent_event() {
	hone=${h%/*}
	[ -z "${GIT_HONE_OFF-}" ] && [ -d "$hone/inbox" ] || return 0
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_PREFIX
	LC_ALL=C p=$(cat) path= blob= tree= kind= root= gd=
	case $p in
	*'"PreToolUse"'* | *'"PostToolUse"'* | *'"PostToolUseFailure"'*) kind=tool ;;
	esac
	if [ "$kind" ]; then
		rest=${p#*'"tool_name"'}
		rest=${rest#*'"'}
		case $rest in
		Bash\"* | [!WEMN]*) kind=shell ;;
		*)
			case $p in
			*'"file_path"'*) rest=${p#*'"file_path"'} ;;
			*'"notebook_path"'*) rest=${p#*'"notebook_path"'} ;;
			*) kind=shell ;;
			esac
			rest=${rest#*'"'}
			path=${rest%%'"'*}
			case $path in
			*\\*) path= kind=shell ;; # an escaped name: the whole tree is surer than our unescaping
			/*) ;;
			*) path=$PWD/$path ;;
			esac
			;;
		esac
	fi
	# the repository that owns the file (or the folder that we stand in)
	d=$PWD
	[ "$path" ] && d=${path%/*}
	while [ "$d" ] && ! [ -e "$d/.git" ]; do
		case $d in */*) d=${d%/*} ;; *) d= ;; esac
	done
	[ "$d" ] || d=${CLAUDE_PROJECT_DIR-}
	root=$d gd=$d/.git
	if [ -f "$gd" ]; then
		IFS= read -r gd <"$gd" || :
		gd=${gd#gitdir: }
		case $gd in /*) ;; *) gd=$root/$gd ;; esac
		common=$gd
		if [ -f "$gd/commondir" ]; then
			IFS= read -r common <"$gd/commondir" || :
			case $common in /*) ;; *) common=$gd/$common ;; esac
		fi
	else
		common=$gd
	fi
	above= # the agent's own folder, where a command was started in a repository within it (a submodule)
	case $root in "${CLAUDE_PROJECT_DIR:-//}"/*) [ -d "$CLAUDE_PROJECT_DIR/.git/hone/inbox" ] && above=$CLAUDE_PROJECT_DIR ;; esac
	if [ -d "$common/hone/inbox" ]; then
		hone=$common/hone
	elif [ "$kind" = shell ] && [ "$above" ]; then
		root=$above gd=$above/.git hone=$above/.git/hone above=
	elif [ "$kind" ]; then
		return 0
	fi
	case $kind in
	tool)
		if [ -L "$path" ]; then blob=link; elif [ -f "$path" ]; then blob=$(git -C "$root" hash-object -w -- "$path"); else blob=none; fi
		;;
	shell)
		for m in "$gd"/modules/*/hone "$gd"/modules/*/*/hone; do # submodules that are recorded: the command may have worked there
			[ -d "$m/inbox" ] || continue
			(gd=${m%/hone} hone=$m root=$(cd "${m%/hone}" && cd "$(git config -f config core.worktree)" && pwd) && hone_look && hone_leave)
		done
		[ "$above" ] && (root=$above gd=$above/.git hone=$above/.git/hone && hone_look && hone_leave)
		hone_look
		;;
	esac
	hone_leave
}
hone_leave() { # the event, as a file in the inbox
	n=0
	umask 077
	set -C
	until {
		printf '%%hone 1 agent %s\nroot=%s\ngit=%s\npath=%s\nblob=%s\ntree=%s\ndecision=%s\n%%payload\n%s\n%%end\n' \
			"$HONE_AGENT" "$root" "$gd" "$path" "$blob" "$tree" "${HONE_DECISION%%[!A-Za-z0-9_.-]*}" "$p"
	} >"$hone/inbox/$$-$n.ev"; do
		n=$((n + 1))
		[ "$n" -lt 9 ] || break
	done
}
hone_look() { # the work tree at $root as a tree object
	index=$gd/hone-index
	[ -f "$index" ] || { [ -f "$gd/index" ] && cp "$gd/index" "$index"; }
	if ! hone_tree; then # another snapshot is being taken: work on a copy
		cp "$index" "$index.$$" && index=$index.$$ && hone_tree
		rm -f "$gd/hone-index.$$"
	fi
}
hone_tree() { # by a private index that keeps the stat cache; what lies outside a sparse checkout counts as well
	{ [ -f "$gd/info/sparse-checkout" ] && hone_add --sparse; } || hone_add || [ -f "$index" ] && ! [ -f "$index.lock" ] || return 1
	tree=$(GIT_INDEX_FILE=$index git -C "$root" write-tree)
}
hone_add() {
	GIT_INDEX_FILE=$index git -C "$root" -c core.fsmonitor=false -c core.safecrlf=false -c advice.addEmbeddedRepo=false \
		add -A --ignore-errors "$@" .
}
hone_agent_event 2>/dev/null || :
