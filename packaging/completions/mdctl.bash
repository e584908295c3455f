# Completion of mdctl and mdadm for bash: the program itself says what fits.

_mdctl() {
    local line=${COMP_LINE:0:COMP_POINT} words current kept word
    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=('')
    current=${words[${#words[@]} - 1]}
    # bash takes what stands after `=` and `:` for a word of its own.
    kept=${current%"${current##*[=:]}"}
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        [[ $word == "$current"* ]] && COMPREPLY+=("${word#"$kept"}")
    done < <(mdctl complete "${words[0]##*/}" "${words[@]:1}" 2>/dev/null)
    case ${#COMPREPLY[@]}:${COMPREPLY[0]-} in
        1:*= | 1:*/) compopt -o nospace ;;
    esac
}

complete -o default -F _mdctl mdctl mdadm
