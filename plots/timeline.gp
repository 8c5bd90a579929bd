# timeline.gp - what each worker did when: a row a worker, a bar a trial (two shades, so that neighbours part).
of(k) = (strcol('kind') eq k)
shade(k) = k eq 'even' ? BLUE : k eq 'odd' ? SKY : k eq 'failed' ? VERMILLION : '#909090'
do for [FORMAT in FORMATS] {
    if (FORMAT eq "svg") { SCALE = 4/3.0; set terminal svg size WIDTH,HEIGHT font FONT.",12" noenhanced background rgb "white" }
    if (FORMAT eq "png") { SCALE = 1; set terminal pngcairo size 2*WIDTH,2*HEIGHT font FONT.",9" fontscale 2 linewidth 2 pointscale 2 noenhanced background rgb "white" }
    if (FORMAT eq "pdf") { SCALE = 1; set terminal pdfcairo size WIDTH/96.0,HEIGHT/96.0 font FONT.",9" fontscale 1 noenhanced background rgb "white" }
    set output OUT.".".FORMAT
    set label 1 TITLE at screen 0.5, screen PY(16) center font F(11) textcolor rgb INK
    set label 2 SUBTITLE at screen 0.5, screen PY(33) center font F(8.5) textcolor rgb SOFT
    set lmargin at screen PX(136); set rmargin at screen PX(WIDTH - 24)
    set tmargin at screen PY(48); set bmargin at screen PY(48 + N_ROWS * ROW_H)
    set border 1
    unset ytics
    set xrange [0:X_HIGH]; set yrange [N_ROWS+0.5:0.5]
    set xlabel X_LABEL offset 0,0.4
    set grid noytics xtics
    set key off
    do for [i=1:N_ROWS] { set label 100+i LABELS[i] at screen PX(128), first i right font F(8.5) textcolor rgb INK }
    x = 136
    do for [i=1:N_KEY_TEXT] {
        set object 10+i rectangle from screen PX(x), screen PY(HEIGHT - 20) to screen PX(x + 16), screen PY(HEIGHT - 9) fs solid 1 noborder fc rgb shade(KEY_SIGN[i])
        if (KEY_SIGN[i] eq 'even') { set object 30+i rectangle from screen PX(x + 8), screen PY(HEIGHT - 20) to screen PX(x + 16), screen PY(HEIGHT - 9) fs solid 1 noborder fc rgb shade('odd') }
        set label 10+i KEY_TEXT[i] at screen PX(x + 22), screen PY(HEIGHT - 14) left font F(8.5) textcolor rgb INK
        x = x + 40 + 6.4 * strlen(KEY_TEXT[i])
    }
    set style fill solid 1 noborder
    plot for [K in 'even odd other failed'] DATA using (of(K) ? column('from') : NaN):'row':'from':'to':(column('row')-0.34):(column('row')+0.34) with boxxyerror lc rgb shade(K)
    unset label; unset object
    set output
}
