// Twenty skid buffers in a row, each with registered outputs on both sides.
module toy_skid_577 (
    input wire clock,
    input wire reset,
    input wire [576:0] rx$payload,
    input wire rx$valid,
    output wire rx$ready,
    output wire [576:0] tx$payload,
    output wire tx$valid,
    input wire tx$ready
);
    wire [576:0] payload [0:20];
    wire [20:0] valid;
    wire [20:0] ready;
    assign payload[0] = rx$payload;
    assign valid[0] = rx$valid;
    assign rx$ready = ready[0];
    assign tx$payload = payload[20];
    assign tx$valid = valid[20];
    assign ready[20] = tx$ready;
    genvar stage;
    generate
        for (stage = 0; stage < 20; stage = stage + 1) begin : stages
            toy_skid skid (
                .clock(clock),
                .reset(reset),
                .in_payload(payload[stage]),
                .in_valid(valid[stage]),
                .in_ready(ready[stage]),
                .out_payload(payload[stage + 1]),
                .out_valid(valid[stage + 1]),
                .out_ready(ready[stage + 1])
            );
        end
    endgenerate
endmodule

module toy_skid (
    input wire clock,
    input wire reset,
    input wire [576:0] in_payload,
    input wire in_valid,
    output reg in_ready,
    output reg [576:0] out_payload,
    output reg out_valid,
    input wire out_ready
);
    reg [576:0] spare;
    wire take = in_valid & in_ready;
    wire free = out_ready | !out_valid;
    always @(posedge clock) begin
        if (free) begin
            out_valid <= take | !in_ready;
            out_payload <= in_ready ? in_payload : spare;
            in_ready <= 1'b1;
        end else if (take) begin
            spare <= in_payload;
            in_ready <= 1'b0;
        end
        if (reset) begin
            out_valid <= 1'b0;
            in_ready <= 1'b1;
        end
    end
endmodule
