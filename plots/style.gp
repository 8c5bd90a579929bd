# style.gp - what all charts share. Each NAME.gp in a run directory is: its facts, this, and the template NAME.gp.
# Draw again with `gnuplot NAME.gp` in the run directory's plots/; NAME.csv beside it is the data.
# Own templates: put them in a folder and name it in GAPSWEEP_PLOTS; a file missing there is taken from the program.
set encoding utf8
set datafile separator ','
set datafile columnheaders
set datafile missing ''
FONT = 'DejaVu Sans'
INK = '#202020'; SOFT = '#606060'; FAINT = '#d8d8d8'
# Okabe and Ito's colours: told apart by colour-blind readers, and in grey.
BLUE = '#0072b2'; VERMILLION = '#d55e00'; GREEN = '#009e73'; ORANGE = '#e69f00'; PURPLE = '#cc79a7'; SKY = '#56b4e9'
set border 3 lc rgb SOFT lw 1
set tics nomirror out scale 0.6 textcolor rgb INK
set xlabel textcolor rgb INK
set ylabel textcolor rgb INK
set title textcolor rgb INK
set grid lc rgb FAINT lw 0.7 lt 1
set key textcolor rgb INK
if (!exists('OUT')) OUT = NAME
# Fonts in points; the svg terminal takes pixels.
SCALE = 1
F(size) = sprintf('%s,%.1f', FONT, size * SCALE)
PX(x) = x / real(WIDTH)            # pixels from the left as a fraction of the picture
PY(y) = 1 - y / real(HEIGHT)       # pixels from the top
