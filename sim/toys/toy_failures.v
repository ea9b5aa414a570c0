// Every way in which a model can fail, one input each.
module toy_failures (
    input wire clock,
    input wire [15:0] value,
    input wire stop,
    input wire finish,
    input wire oscillate,
    output wire loop
);
    assign loop = oscillate & !loop;
    always @(posedge clock) begin
        small_holds : assert (value < 16'd1000)
        else $error("value %0d is too big", value);
        if (stop) $stop;
        if (finish) $finish;
    end
endmodule
