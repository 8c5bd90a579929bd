# train_vs_val.gp - where each cell stands: train accuracy against validation accuracy, lines of equal gap.
of(k) = (strcol('optimizer') eq OPTIMIZERS[k])
do for [FORMAT in FORMATS] {
    if (FORMAT eq "svg") { SCALE = 4/3.0; set terminal svg size WIDTH,HEIGHT font FONT.",12" noenhanced background rgb "white" }
    if (FORMAT eq "png") { SCALE = 1; set terminal pngcairo size 2*WIDTH,2*HEIGHT font FONT.",9" fontscale 2 linewidth 2 pointscale 2 noenhanced background rgb "white" }
    if (FORMAT eq "pdf") { SCALE = 1; set terminal pdfcairo size WIDTH/96.0,HEIGHT/96.0 font FONT.",9" fontscale 1 noenhanced background rgb "white" }
    set output OUT.".".FORMAT
    set label 1 TITLE at screen 0.5, screen PY(16) center font F(11) textcolor rgb INK
    set label 2 SUBTITLE at screen 0.5, screen PY(33) center font F(8.5) textcolor rgb SOFT
    set lmargin at screen PX(70); set rmargin at screen PX(WIDTH - 70)
    set tmargin at screen PY(62); set bmargin at screen PY(432)
    set xrange [X_LOW:X_HIGH]; set yrange [Y_LOW:Y_HIGH]
    set xlabel 'train accuracy, eval mode (%)' offset 0,0.4
    set ylabel 'validation accuracy (%)'
    set key off
    KEY_Y = 490
    do for [i=1:N_REGION_X0] { set object i rectangle from REGION_X0[i],REGION_Y0[i] to REGION_X1[i],REGION_Y1[i] fs solid 0.2 noborder fc rgb GREEN behind }
    do for [i=1:N_ISO_TEXT] {
        set arrow 100+i from ISO_X0[i],ISO_Y0[i] to ISO_X1[i],ISO_Y1[i] nohead back lc rgb '#909090' lw 1 dt (6,5)
        if (ISO_X1[i] < X_HIGH) { set label 100+i ISO_TEXT[i] at ISO_X1[i],Y_HIGH center offset 0,0.5 font F(8) textcolor rgb SOFT }
        else { set label 100+i ISO_TEXT[i] at X_HIGH,ISO_Y1[i] left offset 0.4,0 font F(8) textcolor rgb SOFT }
    }
    # The legend below the plot: optimizers by sign and colour, then what filled signs and the shade mean.
    x = 70
    do for [k=1:N_OPTIMIZERS] {
        set label 200+k ' ' at screen PX(x), screen PY(KEY_Y) point pt HOLLOW[k] ps 1 lw 1.6 lc rgb MARK[k]
        set label 220+k OPTIMIZERS[k] at screen PX(x + 12), screen PY(KEY_Y) left font F(8.5) textcolor rgb INK
        x = x + 34 + 6.6 * strlen(OPTIMIZERS[k])
    }
    if (CONSTRAINTS ne '') {
        set label 240 ' ' at screen PX(x), screen PY(KEY_Y) point pt 7 ps 1.2 lc rgb SOFT
        set label 241 'filled: mean meets all constraints' at screen PX(x + 12), screen PY(KEY_Y) left font F(8.5) textcolor rgb INK
        set object 900 rectangle from screen PX(64), screen PY(KEY_Y + 13) to screen PX(80), screen PY(KEY_Y + 25) fs solid 0.3 noborder fc rgb GREEN
        set label 242 CONSTRAINTS at screen PX(86), screen PY(KEY_Y + 19) left font F(8.5) textcolor rgb INK
    }
    do for [i=1:N_NOTE] { set label 300+i NOTE[i] at NOTE_X[i],NOTE_Y[i] center offset 0,NOTE_UP[i] font F(9) textcolor rgb INK front }
    plot \
         for [k=1:N_OPTIMIZERS] DATA using (of(k) && column('feasible')==0 ? column('train_acc') : NaN):'val_acc' with points pt HOLLOW[k] ps 1 lw 1.6 lc rgb MARK[k], \
         for [k=1:N_OPTIMIZERS] DATA using (of(k) && column('feasible')==1 ? column('train_acc') : NaN):'val_acc' with points pt SOLID[k] ps 1.2 lw 1.6 lc rgb MARK[k], \
         DATA using (column('mark') == 1 ? column('train_acc') : NaN):'val_acc' with points pt 6 ps 2.4 lw 1.6 lc rgb INK
    unset label; unset object; unset arrow
    set output
}
