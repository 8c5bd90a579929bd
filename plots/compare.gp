# compare.gp - how the gap of each cell differs between runs: a row a cell, a sign a run, with 95 % t intervals.
array COLOUR[8] = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#202020', '#999999']
array SIGN[8] = [7, 9, 5, 11, 13, 15, 6, 8]
do for [FORMAT in FORMATS] {
    if (FORMAT eq "svg") { SCALE = 4/3.0; set terminal svg size WIDTH,HEIGHT font FONT.",12" noenhanced background rgb "white" }
    if (FORMAT eq "png") { SCALE = 1; set terminal pngcairo size 2*WIDTH,2*HEIGHT font FONT.",9" fontscale 2 linewidth 2 pointscale 2 noenhanced background rgb "white" }
    if (FORMAT eq "pdf") { SCALE = 1; set terminal pdfcairo size WIDTH/96.0,HEIGHT/96.0 font FONT.",9" fontscale 1 noenhanced background rgb "white" }
    set output OUT.".".FORMAT
    set label 1 TITLE at screen 0.5, screen PY(16) center font F(11) textcolor rgb INK
    set label 2 SUBTITLE at screen 0.5, screen PY(33) center font F(8.5) textcolor rgb SOFT
    set lmargin at screen PX(LABEL_W + 12); set rmargin at screen PX(WIDTH - 24)
    set tmargin at screen PY(48); set bmargin at screen PY(48 + N_ROWS * ROW_H)
    set border 1
    unset ytics
    set yrange [N_ROWS+0.5:0.5]; set xrange [X_LOW:X_HIGH]
    set xlabel 'difference of the clean gap (points); right: a wider gap than the first run' offset 0,0.4
    set grid noytics xtics
    set key off
    set arrow 1 from 0,0.5 to 0,N_ROWS+0.5 nohead lc rgb INK lw 1.2 back
    do for [i=1:N_ROWS] { set label 100+i LABELS[i] at screen PX(LABEL_W + 4), first i right font F(8.5) textcolor rgb INK }
    do for [k=1:N_RUNS] {
        set label 200+k ' ' at screen PX(20), screen PY(HEIGHT - 18*(N_RUNS - k) - 12) point pt SIGN[k] ps 1 lc rgb COLOUR[k]
        set label 220+k RUNS[k].' − '.FIRST at screen PX(32), screen PY(HEIGHT - 18*(N_RUNS - k) - 12) left font F(8.5) textcolor rgb INK
    }
    plot for [k=1:N_RUNS] DATA using (column('run') == k ? column('difference') : NaN):'y':'lo':'hi' with xerrorbars pt SIGN[k] ps 0.8 lw 1.4 lc rgb COLOUR[k]
    unset label; unset arrow
    set output
}
