#!/usr/bin/env bash
# The workstation's side: packs what a board needs, then segments on the boards that are ready.
#
#   workstation.sh kit KIND          pack KIND.tar.gz for a board; KIND is raspberry_pi or jetson
#   workstation.sh segment [SCAN]    segment a scan on the boards whose board.toml was copied here;
#                                    without one the sample CT (fetched once, 38 MB)
#
#   EDGESEG_FOLDER  where everything is kept; ./edgeseg-boards otherwise
#   EDGESEG_BUNDLE  the network to run; the sample kidney network is compiled otherwise
#   EDGESEG_WHEEL   what to install here and on boards; built from this project otherwise
#   EDGESEG_PYTHON  a Python that has edgeseg[convert] already: nothing is built or installed here
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=steps.sh
source "$here/steps.sh"

project=$(dirname "$(dirname "$here")")
folder=${EDGESEG_FOLDER:-edgeseg-boards}
python=${EDGESEG_PYTHON:-$folder/environment/bin/python}
key=$folder/clinic.key
boards=$folder/boards.toml

main() {
  case "${1:-} $#" in
  "kit 2") kit "$2" ;;
  "segment 1" | "segment 2") segment "${2:-}" ;;
  *)
    sed -n '4,12s/^#//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
  esac
}

kit() {
  local kind=$1 packed
  [[ -e $project/examples/$kind/settings.sh ]] ||
    fail "there is no kind of board $kind; take raspberry_pi or jetson"

  step "Install edgeseg on this workstation"
  prepare

  step "Make this workstation's key"
  if [[ -e $key ]]; then
    found "$key is kept"
  else
    edgeseg keygen clinic --folder "$folder" >/dev/null
    found "made $key; it stays here, clinic.pub goes to the boards"
  fi

  step "Pack what a board needs"
  packed=$(mktemp -d)
  mkdir "$packed/$kind"
  cp "$here/board.sh" "$here/steps.sh" "$project/examples/$kind/settings.sh" "$folder/clinic.pub" \
    "$project/runtime/deploy/edgeseg-worker.service" "$project/runtime/deploy/worker.toml" \
    ${EDGESEG_WHEEL:+"$EDGESEG_WHEEL"} "$packed/$kind"
  tar -czf "$folder/$kind.tar.gz" -C "$packed" "$kind"
  rm -r "$packed"
  found "$folder/$kind.tar.gz: $(tar -tzf "$folder/$kind.tar.gz" | wc -l) files"
  cat <<END

Next, for each board (see examples/$kind/README.md):
   scp $folder/$kind.tar.gz USER@BOARD:
   ssh -t USER@BOARD 'tar xzf $kind.tar.gz && sudo ./$kind/board.sh'
   scp USER@BOARD:/etc/edgeseg/board.toml $folder/boards/BOARD.toml
END
}

segment() {
  local scan=$1 bundle=${EDGESEG_BUNDLE:-$folder/kidney.edgeseg}
  [[ -z $scan || -e $scan ]] || fail "there is no $scan; name a scan such as ct.nii.gz"

  step "Install edgeseg on this workstation"
  prepare once

  step "Compile the network"
  if [[ -e $bundle ]]; then
    found "$bundle is there"
  else
    run edgeseg convert "$project/examples/kidney_unet/kidney-unet.keras" -o "$bundle" \
      --max-partitions 6 --window 0,255
  fi

  step "List the boards"
  list_boards

  step "Ask the boards how they are"
  run edgeseg status --boards "$boards" --key "$key" ||
    fail "not every board answers: is it on, and is its endpoint in $folder/boards right?"

  step "Measure what each piece and each link takes"
  run edgeseg profile "$bundle" --boards "$boards" --key "$key"

  step "Segment"
  [[ -n $scan ]] || scan=$("$python" -c 'from edgeseg.demo.sample import sample; print(sample().ct)')
  local kind=.nii.gz
  case $scan in *.png) kind=.png ;; esac
  run edgeseg segment "$bundle" "$scan" -o "$folder/mask$kind" --boards "$boards" --key "$key" \
    --preview "$folder/preview.png" --report "$folder/report.json"

  step "Check the mask against one that this machine makes by itself"
  run edgeseg segment "$bundle" "$scan" -o "$folder/reference$kind" --local 1 >/dev/null
  "$python" "$here/check_mask.py" "$folder/mask$kind" "$folder/reference$kind"
  printf '\nDone: %s, and %s to look at.\n' "$folder/mask$kind" "$folder/preview.png"
}

prepare() {
  mkdir -p "$folder/boards"
  if [[ -n ${EDGESEG_PYTHON:-} ]]; then
    found "taken from $EDGESEG_PYTHON"
  elif [[ -x $python && ${1:-} == once ]]; then
    found "$folder/environment is there"
  else
    [[ -n ${EDGESEG_WHEEL:-} ]] || build_wheel
    install_edgeseg "$folder/environment" '[convert]'
  fi
}

build_wheel() {
  [[ -x $python ]] || run python3 -m venv "$folder/environment"
  rm -f "$folder"/edgeseg-*.whl
  run "$python" -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$project"
  local wheels=("$folder"/edgeseg-*.whl)
  EDGESEG_WHEEL=${wheels[0]}
}

# Boards are listed anew each time, so that one whose file was removed is left out.
list_boards() {
  local entries=("$folder"/boards/*.toml)
  [[ -e ${entries[0]} ]] ||
    fail "copy each board's /etc/edgeseg/board.toml to $folder/boards/NAME.toml first"
  cat "${entries[@]}" >"$boards"
  grep -E '^(name|endpoint)' "$boards" | sed 's/^/   /'
}

edgeseg() { "$python" -m edgeseg "$@"; }

main "$@"; exit
