# gap_bars.gp - every cell's gap, smallest first, with its 95 % t interval.
of(k) = (strcol('kind') eq k)
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
    set yrange [N_ROWS+0.5:0.5]
    set xrange [GAP_LOW:GAP_HIGH]
    set xlabel 'clean gap: train − validation accuracy (points)' offset 0,0.4
    set grid noytics xtics
    set xzeroaxis lt 1
    set style fill solid 1 noborder
    set arrow 1 from 0,0.5 to 0,N_ROWS+0.5 nohead lc rgb SOFT lw 1 front
    x = LABEL_W + 12
    do for [i=1:N_KEY_TEXT] {
        set object 10+i rectangle from screen PX(x), screen PY(HEIGHT - 20) to screen PX(x + 16), screen PY(HEIGHT - 9) fs solid 1 noborder fc rgb KEY_COLOUR[i]
        set label 10+i KEY_TEXT[i] at screen PX(x + 22), screen PY(HEIGHT - 14) left font F(8.5) textcolor rgb INK
        x = x + 40 + 6.4 * strlen(KEY_TEXT[i])
    }
    set key off
    px = (GAP_HIGH - GAP_LOW) / (WIDTH - 36.0 - LABEL_W)
    do for [i=1:N_ROWS] { set label 100+i LABELS[i] at screen PX(LABEL_W + 4), first i right font F(8.5) textcolor rgb INK }
    plot DATA using (of('other') ? 0 : NaN):'row':(0):'gap':(column('row')-0.36):(column('row')+0.36) with boxxyerror lc rgb '#b8b8b8', \
         DATA using (of('feasible') ? 0 : NaN):'row':(0):'gap':(column('row')-0.36):(column('row')+0.36) with boxxyerror lc rgb BLUE, \
         DATA using (of('baseline') ? 0 : NaN):'row':(0):'gap':(column('row')-0.36):(column('row')+0.36) with boxxyerror lc rgb VERMILLION, \
         DATA using 'gap':'row':'lo':'hi' with xerrorbars pt 0 lw 1.3 lc rgb INK, \
         DATA using (column('note_at')+6*px):'row':'note' with labels left font F(8.5) textcolor rgb INK
    unset label; unset arrow; unset object
    set output
}
