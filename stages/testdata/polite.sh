# The least that a program says to be a stage: it is ready, and done with each frame.
read -r hello <&3
echo '{"type":"ready"}' >&3
while read -r line <&3; do
	seq=${line#*'"seq":'}
	echo '{"type":"result","seq":'"${seq%%,*}"'}' >&3
done
