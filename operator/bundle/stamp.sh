# Prints a word that is another one after any change of what the command line program is made of: names and contents,
# not times, which a copy or a checkout changes, and an editor need not. To be run in the root of the checkout.
find operator package.json package-lock.json -name '*.json' -o -name '*.ts' |
  LC_ALL=C sort | xargs cksum | cksum | tr ' ' -
