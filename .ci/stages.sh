# Runs stages one after another, and remembers what failed and how long each took.
# For .ci/run and .ci/nightly, which source it.
failed=()
timings=()

# CPU seconds of this shell's children that have ended, theirs included.
cpu_of_children() {
  local stat ticks
  read -r -a stat </proc/$$/stat
  ticks=$(getconf CLK_TCK)
  echo $(((stat[15] + stat[16]) / ticks))
}

# stage NAME COMMAND...
stage() {
  local name=$1 begin=$SECONDS cpu verdict=passed
  shift
  cpu=$(cpu_of_children)
  printf '\n=== stage %s: %s\n' "$name" "$*"
  if ! "$@"; then
    verdict=FAILED
    failed+=("$name")
  fi
  timings+=("$(printf '%-10s %s in %d s, %d s of CPU' "$name" "$verdict" \
                 $((SECONDS - begin)) $(($(cpu_of_children) - cpu)))")
  printf '=== %s\n' "${timings[-1]}"
}

# Returns 1, and names them, if stages failed.
end_of_stages() {
  if [[ ${#failed[@]} -gt 0 ]]; then
    echo "FAILED: ${failed[*]}"
    return 1
  fi
}
