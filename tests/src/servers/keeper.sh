# Keeps one server's folder: passes signals on to every process that works in it, and ends with them and
# the folder when the pipe on standard input closes, which the kernel does however the other side died.
#
# It runs as the server's user, who can always see the working folders of those processes, and it uses working
# folders because PostgreSQL's processes leave every process group and change their titles.
folder=$1
trap '' HUP INT TERM

processes() {
    find /proc -mindepth 2 -maxdepth 2 -path '/proc/[0-9]*/cwd' \
        \( -lname "$folder" -o -lname "$folder/*" \) 2>/dev/null | cut -d / -f 3
}

kill_all() {
    while found=$(processes) && [ -n "$found" ]; do
        kill -KILL $found 2>/dev/null
    done
}

# Until no process shows up that has not had the signal: they fork meanwhile.
signal_all() {
    seen=' '
    while :; do
        new=
        for process in $(processes); do
            case $seen in *" $process "*) ;; *) new="$new $process" ;; esac
        done
        [ -n "$new" ] || return
        kill -"$1" $new 2>/dev/null
        seen="$seen$new "
    done
}

while read -r signal process; do
    case $signal in
        KILL) kill_all ;;
        STOP | CONT) signal_all "$signal" ;;
        *) kill -"$signal" "$process" 2>/dev/null ;;
    esac
    echo done
done

kill_all
# The only remains of a killed PostgreSQL outside its processes and its folder.
segment=$(sed -n 7p "$folder/data/postmaster.pid" 2>/dev/null | tr -s ' ' | cut -d ' ' -f 3)
[ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
rm -rf "$folder"
