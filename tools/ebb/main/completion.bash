# Completes the commands and flags of ebb in bash, from what ebb itself says:
#   source <(ebb completion)
_ebb() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local ebb=${COMP_WORDS[0]} path=() help
  local -i depth=2
  # The command, and the one below it where there are some.
  if ((COMP_CWORD > 1)); then
    path=("${COMP_WORDS[1]}")
    case ${path[0]} in
      job | checkpoint | bench | data | generate | stream)
        if ((COMP_CWORD > 2)); then path+=("${COMP_WORDS[2]}"); fi
        depth=3
        ;;
    esac
  fi
  # After these comes a file, a folder or a word of the user's.
  case $previous in
    --report | -o | --output | --tls-cert | --tls-key | --tls-ca) COMPREPLY=($(compgen -f -- "$current")) ; return ;;
    --run-dir | --folder | --allow-plugins | --data-cache) COMPREPLY=($(compgen -d -- "$current")) ; return ;;
  esac
  help=$("$ebb" "${path[@]}" --help 2>/dev/null) || return
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$(grep -oE '^  (-[a-zA-Z],)?--[a-z-]+' \
      <<<"$help" | grep -oE -- '--[a-z-]+')" -- "$current"))
  elif ((COMP_CWORD < depth)); then
    COMPREPLY=($(compgen -W "$(sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' <<<"$help")" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _ebb ebb
