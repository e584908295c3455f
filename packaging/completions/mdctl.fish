# Completion of mdctl and mdadm for fish: the program itself says what fits.

function __mdctl_complete
    set -l words (commandline -opc)
    mdctl complete (basename $words[1]) $words[2..-1] (commandline -ct) 2>/dev/null
end

complete -c mdctl -a '(__mdctl_complete)'
complete -c mdadm -a '(__mdctl_complete)'
