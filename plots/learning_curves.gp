# learning_curves.gp - baseline against best: accuracy above, loss below; line = mean, band = lowest to highest repeat.
# A cell has its colour and its sign, hollow for train: in grey the sign tells them apart.
of(s) = (strcol('cell') eq s)
sign(c) = CELLS[c] eq 'baseline' ? 8 : 6
do for [FORMAT in FORMATS] {
    if (FORMAT eq "svg") { SCALE = 4/3.0; set terminal svg size WIDTH,HEIGHT font FONT.",12" noenhanced background rgb "white" }
    if (FORMAT eq "png") { SCALE = 1; set terminal pngcairo size 2*WIDTH,2*HEIGHT font FONT.",9" fontscale 2 linewidth 2 pointscale 2 noenhanced background rgb "white" }
    if (FORMAT eq "pdf") { SCALE = 1; set terminal pdfcairo size WIDTH/96.0,HEIGHT/96.0 font FONT.",9" fontscale 1 noenhanced background rgb "white" }
    set output OUT.".".FORMAT
    set multiplot
    set style fill transparent solid 0.18 noborder
    LEFT = 70; RIGHT = 16; TOP = 52; PLOT_H = 230; STEP = 284
    set label 1 TITLE at screen 0.5, screen PY(16) center font F(11) textcolor rgb INK
    set label 2 SUBTITLE at screen 0.5, screen PY(33) center font F(8.5) textcolor rgb SOFT
    set lmargin at screen PX(LEFT); set rmargin at screen PX(WIDTH - RIGHT)
    unset key
    set xrange [0.5:EPOCHS+0.5]
    do for [k=1:2] {
        set tmargin at screen PY(TOP + (k - 1) * STEP)
        set bmargin at screen PY(TOP + (k - 1) * STEP + PLOT_H)
        set xlabel 'epoch' offset 0,0.4
        set ylabel (k == 1 ? 'accuracy (%)' : 'cross-entropy loss (nats)')
        set yrange [*:*]
        if (k == 2) { set yrange [0:*] }
        if (EPOCHS <= 12) { set xtics 1 } else { set xtics autofreq }
        M = k == 1 ? 'acc' : 'loss'
        plot for [c=1:N_CELLS] DATA using (of(CELLS[c]) ? column('epoch') : NaN):'train_'.M.'_lo':'train_'.M.'_hi' with filledcurves lc rgb COLOURS[c], \
             for [c=1:N_CELLS] DATA using (of(CELLS[c]) ? column('epoch') : NaN):'val_'.M.'_lo':'val_'.M.'_hi' with filledcurves lc rgb COLOURS[c], \
             for [c=1:N_CELLS] DATA using (of(CELLS[c]) ? column('epoch') : NaN):'train_'.M with linespoints dt (6,4) pt sign(c) ps 0.7 lw 1.8 lc rgb COLOURS[c], \
             for [c=1:N_CELLS] DATA using (of(CELLS[c]) ? column('epoch') : NaN):'val_'.M with linespoints dt solid pt sign(c)+1 ps 0.7 lw 2.2 lc rgb COLOURS[c]
        unset label 1; unset label 2
    }
    set lmargin at screen 0; set rmargin at screen 1; set bmargin at screen 0; set tmargin at screen 1
    set xrange [0:WIDTH]; set yrange [HEIGHT:0]
    unset xlabel; unset ylabel; unset xtics; unset ytics; unset border; unset grid
    y = TOP + STEP + PLOT_H + 58
    do for [c=1:N_CELLS] {
        set arrow from LEFT,y to LEFT+40,y nohead lw 1.8 dt (6,4) lc rgb COLOURS[c]
        set label ' ' at LEFT+20,y point pt sign(c) ps 0.8 lc rgb COLOURS[c]
        set label ' ' at LEFT+110,y point pt sign(c)+1 ps 0.8 lc rgb COLOURS[c]
        set label 'train' at LEFT+46,y left font F(8.5) textcolor rgb INK
        set arrow from LEFT+90,y to LEFT+130,y nohead lw 2.2 lc rgb COLOURS[c]
        set label 'validation' at LEFT+136,y left font F(8.5) textcolor rgb INK
        set label LABELS[c] at LEFT+220,y left font F(8.5) textcolor rgb COLOURS[c]
        y = y + 20
    }
    plot NaN notitle
    unset multiplot
    unset label; unset arrow
    set output
    set border 3 lc rgb SOFT lw 1; set xtics nomirror out; set ytics nomirror out; set grid lc rgb FAINT lw 0.7 lt 1
}
